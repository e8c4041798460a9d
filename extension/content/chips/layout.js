/** Computes where chips go when some of them must not move by a pixel. */

/** @typedef {{tag: string, width: number}} FreeChip  one that may go anywhere; its width in pixels */
/** @typedef {FreeChip & {line: number, start: number}} FixedChip  one that stays; pixels from its line's start */
/** @typedef {{tag: string, margin: number} | {fill: number}} LayoutItem  a chip and the pixels before it; or a space */

/** Narrower than any chip: it ends a line all the same, and rounding cannot push it into the next one. */
const SPARE = 1;

/**
 * Return the free chips in their order before, between and behind the fixed ones, each as far to the front as it fits.
 *
 * @param {FixedChip[]} fixed  in reading order
 * @param {FreeChip[]} free
 * @param {number} width  of a line; Infinity where chips are not wrapped
 * @param {number} gap  between two chips
 * @returns {LayoutItem[]}
 */
export function layOutChips(fixed, free, width, gap) {
  /** @type {LayoutItem[]} */
  const items = [];
  const rest = [...free];
  let [line, next] = [0, 0];

  /** Line and start of a chip that would come next. @param {FreeChip} chip */
  const placeNext = (chip) => (next > 0 && next + chip.width > width ? [line + 1, 0] : [line, next]);

  for (const fixedChip of fixed) {
    for (let chip = rest[0]; chip; chip = rest[0]) {
      const [chipLine = 0, start = 0] = placeNext(chip);
      const end = start + chip.width + gap;
      if (chipLine > fixedChip.line || (chipLine === fixedChip.line && end > fixedChip.start + 0.5)) break;
      items.push({ tag: chip.tag, margin: 0 });
      [line, next] = [chipLine, end];
      rest.shift();
    }
    for (; line < fixedChip.line; line++, next = 0) {
      if (next + SPARE < width) items.push({ fill: width - next - SPARE });
    }
    items.push({ tag: fixedChip.tag, margin: Math.max(0, fixedChip.start - next) });
    next = fixedChip.start + fixedChip.width + gap;
  }
  return [...items, ...rest.map(({ tag }) => ({ tag, margin: 0 }))];
}
