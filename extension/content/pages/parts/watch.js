/** Watches a form for its page: what changes in it, and whether it is posted. */

import { namesOf, tagOf } from "./tag-list.js";
import { keepSources } from "./source-text.js";

/** @typedef {import("./tag-list.js").Chosen} Chosen */
/** @typedef {import("../contract.js").Listener} Listener */

/** The keys by which a page makes a tag of what is typed. */
export const COMMITS = new Set(["Enter", "Tab", " ", ",", ";"]);

/** What is known of the writer's hands. */
export const hands = {
  /** Whether a character is being composed: the keyboard must stay where it is. */
  composing: false,
  /** Whether what happens in the tag field is not their doing, but ours. */
  still: false,
  /** @type {Map<string, number>} when which tags were typed, by the page's clock; it may take some of them late */
  typed: new Map(),
};

/**
 * @param {Element} form
 * @param {Element[]} parts  that change by script too, without an input event
 * @param {Pick<Listener, "changed">} listener
 * @param {AbortSignal} signal
 */
export function watchChanges(form, parts, { changed }, signal) {
  form.addEventListener("input", changed, { capture: true, signal });
  form.addEventListener("compositionstart", () => (hands.composing = true), { capture: true, signal });
  form.addEventListener("compositionend", () => (hands.composing = false), { capture: true, signal });
  const observer = new MutationObserver((records) => {
    keepSources(records);
    changed();
  });
  const everything = { childList: true, subtree: true, characterData: true, characterDataOldValue: true };
  for (const part of parts) observer.observe(part, everything);
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * Notes which tags are typed by hand, and tells which are taken out: that of a delete that is clicked, and the last one
 * by Backspace. All others come and go by the page's own doing.
 *
 * @param {Chosen} chosen
 * @param {() => HTMLInputElement | null} input
 * @param {Pick<Listener, "takenOut">} listener
 * @param {AbortSignal} signal
 */
export function watchHands(chosen, input, { takenOut }, signal) {
  const options = { capture: true, signal };
  chosen.root.addEventListener(
    "click",
    ({ target }) => {
      const chip = target instanceof Element && target.closest(chosen.button)?.closest(chosen.chip);
      if (chip) takenOut(tagOf(chosen, chip));
    },
    options,
  );
  chosen.root.addEventListener(
    "keydown",
    (event) => {
      const { key, target } = /** @type {KeyboardEvent} */ (event);
      const field = input();
      if (!event.isTrusted || !field || target !== field) return;
      if (key === "Backspace" && field.selectionEnd === 0) takenOut(namesOf(chosen).at(-1) ?? "");
      if (COMMITS.has(key)) noteTyped(field.value);
    },
    options,
  );
  chosen.root.addEventListener(
    "focusout",
    ({ target }) => {
      const field = input();
      if (!field || target !== field || hands.still) return;
      const { value } = field;
      // One that is only drawn anew keeps what is typed.
      setTimeout(() => input()?.value !== value && noteTyped(value));
    },
    options,
  );
}

/** @param {string} value */
function noteTyped(value) {
  for (const name of value.toLowerCase().split(/[\s,;]+/)) if (name) hands.typed.set(name, performance.now());
}

/**
 * @param {"submit" | "click"} type
 * @param {(event: Event) => boolean} posts  whether an event of that type, anywhere, posts the form
 * @param {Pick<Listener, "posting">} listener
 * @param {AbortSignal} signal
 */
export function watchPosting(type, posts, { posting }, signal) {
  document.addEventListener(type, (event) => posts(event) && posting(), { capture: true, signal });
}
