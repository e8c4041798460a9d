/** Works out where chips go when some of them must not move by a pixel. */

/** @typedef {{tag: string, width: number}} Free  a chip that may go anywhere; its width in pixels */
/** @typedef {Free & {line: number, start: number}} Fixed  one that stays: its line, and pixels from its beginning */
/** @typedef {{tag: string, margin: number} | {fill: number}} Item  a chip and the pixels before it; or an empty space */

/** Less than any chip is wide: it ends a line all the same, and rounding cannot push it into the next one. */
const SPARE = 1;

/**
 * The free chips in their order, before, between and behind those that stay: each as far to the front as it fits.
 *
 * @param {Fixed[]} fixed  in reading order
 * @param {Free[]} free
 * @param {number} width  of a line; Infinity where chips are not wrapped
 * @param {number} gap  between two chips
 * @returns {Item[]}
 */
export function arrange(fixed, free, width, gap) {
  /** @type {Item[]} */
  const items = [];
  const rest = [...free];
  let [line, next] = [0, 0];

  /** Where a chip would stand that comes next. @param {Free} chip */
  const startOf = (chip) => (next > 0 && next + chip.width > width ? [line + 1, 0] : [line, next]);

  for (const stays of fixed) {
    for (let chip = rest[0]; chip; chip = rest[0]) {
      const [chipLine = 0, start = 0] = startOf(chip);
      const end = start + chip.width + gap;
      if (chipLine > stays.line || (chipLine === stays.line && end > stays.start + 0.5)) break;
      items.push({ tag: chip.tag, margin: 0 });
      [line, next] = [chipLine, end];
      rest.shift();
    }
    for (; line < stays.line; line++, next = 0) {
      if (next + SPARE < width) items.push({ fill: width - next - SPARE });
    }
    items.push({ tag: stays.tag, margin: Math.max(0, stays.start - next) });
    next = stays.start + stays.width + gap;
  }
  return [...items, ...rest.map(({ tag }) => ({ tag, margin: 0 }))];
}
