/** Lets one press be one act, and only the writer's own: the one place where an act of theirs begins. */

/** About as long as systems wait for a second click: who wants the opposite of what just happened takes longer. */
const MOMENT_MS = 400;
const KEYS = ["Enter", " ", "Delete"];

/** @typedef {ReturnType<typeof createPresses>} Presses */

/**
 * A press counts if the writer made it, not a script of the page; and if it does not belong to the one before, as do
 * further clicks of a double click, what a held key repeats, the same key once more within a moment, and any second
 * press of a chip itself within a moment of the first one, or of what came of it: a page may take its time, and who is
 * impatient presses again.
 *
 * @param {ShadowRoot} root  of all that can be pressed; what a script has taken out of it does nothing any more
 * @param {AbortSignal} signal
 */
export function createPresses(root, signal) {
  /** @type {WeakMap<Element, () => void>} by button */
  const acts = new WeakMap();
  /** @type {{chip: Element | null, key: string, at: number}} the last press; `key` is empty if a pointer pressed */
  let last = { chip: null, key: "", at: -Infinity };
  /** The key that a click without a pointer comes from. */
  let key = "";

  root.addEventListener("click", (event) => {
    const { target, detail, timeStamp, isTrusted } = /** @type {MouseEvent} */ (event);
    const button = /** @type {Element} */ (target).closest("button");
    if (!button || !isTrusted) return;
    const chip = button.matches(".tag") ? button : null;
    if (isNew({ chip, key: detail === 0 ? key : "", at: timeStamp }) && detail <= 1) acts.get(button)?.();
  });
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.isTrusted) pressed(/** @type {KeyboardEvent} */ (event));
    },
    { capture: true },
  );

  for (const type of ["pointerdown", "keydown"]) {
    // Whoever has done something else in between, such as taking the tag out in the page's own field, means it anew.
    const elsewhere = (/** @type {Event} */ { isTrusted, target }) => {
      if (isTrusted && target !== root.host) last.at = -Infinity;
    };
    addEventListener(type, elsewhere, { capture: true, signal });
  }

  return {
    /** @param {Element} button @param {() => void} act  what a press of it does */
    on: (button, act) => void acts.set(button, act),

    /** What a press of the chip began has come to its end. @param {Element} chip  its first button */
    end(chip) {
      if (chip === last.chip) last.at = performance.now();
    },
  };

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    // Another key in between: the writer has moved on.
    if (!KEYS.includes(event.key)) last.key = "";
    else if (event.repeat) stop(event);
    else if (event.key !== "Delete") ({ key } = event);
    else {
      // The same as a press of the chip's second button.
      const side = /** @type {Element} */ (event.target).closest(".chip")?.querySelector(".side");
      if (!side) return;
      stop(event);
      if (isNew({ chip: null, key: event.key, at: event.timeStamp })) acts.get(side)?.();
    }
  }

  /** @param {typeof last} press */
  function isNew(press) {
    const same = (press.chip !== null && press.chip === last.chip) || (press.key !== "" && press.key === last.key);
    const belongs = same && press.at - last.at < MOMENT_MS;
    last = press;
    return !belongs;
  }
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
