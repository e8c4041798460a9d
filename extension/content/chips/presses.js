/** Runs what a button does, once for each press, and only for the writer's own: all their actions begin here. */

/** About the double-click time of systems; whoever wants to revert what just happened takes longer. */
const REPEAT_MS = 400;
const KEYS = ["Enter", " ", "Delete"];

/** @typedef {ReturnType<typeof createPresses>} Presses */
/** @typedef {{chip: Element | null, key: string, at: number}} Press  `key` is empty if a pointer pressed */

/**
 * A press counts if it is trusted, so not by a script of the page, and if it does not belong to the one before, as do:
 * further clicks of a double click, what a held key repeats, the same key again within `REPEAT_MS`, and a second press
 * of a chip within `REPEAT_MS` of the first one or of its result: a page may be slow, and an impatient writer presses
 * again.
 *
 * @param {ShadowRoot} root  contains all buttons; one that a script of the page has removed from it does nothing
 * @param {AbortSignal} signal
 */
export function createPresses(root, signal) {
  /** @type {WeakMap<Element, () => void>} by button */
  const handlers = new WeakMap();
  /** @type {Press} */
  let last = { chip: null, key: "", at: -Infinity };
  /** The key that causes a click without a pointer. */
  let lastKey = "";

  /** @param {Press} press */
  function isNew(press) {
    const same = (press.chip !== null && press.chip === last.chip) || (press.key !== "" && press.key === last.key);
    const repeats = same && press.at - last.at < REPEAT_MS;
    last = press;
    return !repeats;
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    // Another key in between: the writer has moved on.
    if (!KEYS.includes(event.key)) last.key = "";
    else if (event.repeat) stop(event);
    else if (event.key !== "Delete") lastKey = event.key;
    else {
      // Does the same as a press of the chip's second button.
      const side = /** @type {Element} */ (event.target).closest(".chip")?.querySelector(".side");
      if (!side) return;
      stop(event);
      if (isNew({ chip: null, key: event.key, at: event.timeStamp })) handlers.get(side)?.();
    }
  }

  root.addEventListener("click", (event) => {
    const { target, detail, timeStamp, isTrusted } = /** @type {MouseEvent} */ (event);
    const button = /** @type {Element} */ (target).closest("button");
    if (!button || !isTrusted) return;
    const chip = button.matches(".tag") ? button : null;
    const key = detail === 0 ? lastKey : "";
    if (isNew({ chip, key, at: timeStamp }) && detail <= 1) handlers.get(button)?.();
  });
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.isTrusted) onKeyDown(/** @type {KeyboardEvent} */ (event));
    },
    { capture: true },
  );
  for (const type of ["pointerdown", "keydown"]) {
    // After another event in between, such as removing the tag in the page's field, a press is a new one.
    const onOtherEvent = (/** @type {Event} */ { isTrusted, target }) => {
      if (isTrusted && target !== root.host) last.at = -Infinity;
    };
    addEventListener(type, onOtherEvent, { capture: true, signal });
  }

  return {
    /** @param {Element} button @param {() => void} handler */
    on: (button, handler) => void handlers.set(button, handler),

    /** What a press of the chip began has ended. @param {Element} chip  its first button */
    end(chip) {
      if (chip === last.chip) last.at = performance.now();
    },
  };
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
