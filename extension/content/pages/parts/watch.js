/** Watches a form for its page: changes in it, tags that the writer edits by hand, and its being posted. */

import { recordTranslations } from "./source-text.js";
import { readTagName, readTagNames } from "./tag-list.js";

/** @typedef {import("./tag-list.js").TagList} TagList */
/** @typedef {import("../contract.js").Listener} Listener */

/** The keys at which a page makes a tag of what is typed. */
export const COMMIT_KEYS = new Set(["Enter", "Tab", " ", ",", ";"]);

/** What is known of the writer's typing. */
export const typing = {
  /** Whether a character is being composed: the focus must stay where it is. */
  composing: false,
  /** Whether what happens in the tag field is simulated by us. */
  simulated: false,
  /** @type {Map<string, number>} when which tags were typed, by the page's clock; it may take some of them late */
  tags: new Map(),
};

/**
 * Call `changed` at each change of the form.
 *
 * @param {Element} form
 * @param {Element[]} parts  that change by script too, without an input event
 * @param {Pick<Listener, "changed">} listener
 * @param {AbortSignal} signal
 */
export function watchChanges(form, parts, { changed }, signal) {
  form.addEventListener("input", changed, { capture: true, signal });
  form.addEventListener("compositionstart", () => (typing.composing = true), { capture: true, signal });
  form.addEventListener("compositionend", () => (typing.composing = false), { capture: true, signal });
  const observer = new MutationObserver((records) => {
    recordTranslations(records);
    changed();
  });
  const everything = { childList: true, subtree: true, characterData: true, characterDataOldValue: true };
  for (const part of parts) observer.observe(part, everything);
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * Record which tags the writer types, and call `removing` for those that they remove: by a click on a tag's button, or
 * the last one by Backspace. All others come and go by the page's own doing.
 *
 * @param {TagList} list
 * @param {() => HTMLInputElement | null} getInput
 * @param {Pick<Listener, "removing">} listener
 * @param {AbortSignal} signal
 */
export function watchTagEdits(list, getInput, { removing }, signal) {
  const options = { capture: true, signal };
  list.root.addEventListener(
    "click",
    ({ target }) => {
      const element = target instanceof Element && target.closest(list.removeButton)?.closest(list.tag);
      if (element) removing(readTagName(list, element));
    },
    options,
  );
  list.root.addEventListener(
    "keydown",
    (event) => {
      const { key, target } = /** @type {KeyboardEvent} */ (event);
      const input = getInput();
      if (!event.isTrusted || !input || target !== input) return;
      if (key === "Backspace" && input.selectionEnd === 0) removing(readTagNames(list).at(-1) ?? "");
      if (COMMIT_KEYS.has(key)) recordTypedTags(input.value);
    },
    options,
  );
  list.root.addEventListener(
    "focusout",
    ({ target }) => {
      const input = getInput();
      if (!input || target !== input || typing.simulated) return;
      const { value } = input;
      // An input that is only drawn anew keeps what is typed.
      setTimeout(() => getInput()?.value !== value && recordTypedTags(value));
    },
    options,
  );
}

/** @param {string} value */
function recordTypedTags(value) {
  for (const name of value.toLowerCase().split(/[\s,;]+/)) if (name) typing.tags.set(name, performance.now());
}

/**
 * Call `posting` when the writer posts the form.
 *
 * @param {"submit" | "click"} type
 * @param {(event: Event) => boolean} isPost  whether an event of that type, anywhere, posts the form
 * @param {Pick<Listener, "posting">} listener
 * @param {AbortSignal} signal
 */
export function watchPosting(type, isPost, { posting }, signal) {
  document.addEventListener(type, (event) => isPost(event) && posting(), { capture: true, signal });
}
