/** Does on a page what its writer's hands would: types, presses keys, and looks whether it had an effect. */

import { chipOf, namesOf } from "./chosen.js";

/** @typedef {import("./chosen.js").Chosen} Chosen */

const PATIENCE_MS = 1000;

/**
 * Sets an input's value so that the page notices: by the native setter, which no framework has replaced.
 *
 * @param {HTMLInputElement} input
 * @param {string} value
 */
export function type(input, value) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, value);
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/** @param {HTMLElement} element @param {string} key  " " or "Enter" */
export function press(element, key) {
  const keyCode = key === " " ? 32 : 13;
  const init = { key, code: key === " " ? "Space" : key, keyCode, which: keyCode, bubbles: true, cancelable: true };
  for (const type of ["keydown", "keyup"]) element.dispatchEvent(new KeyboardEvent(type, init));
}

/**
 * Whether the condition comes true within a second of changes in `root`.
 *
 * @param {Element} root
 * @param {() => boolean} condition
 * @returns {Promise<boolean>}
 */
export function seen(root, condition) {
  if (condition()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (/** @type {boolean} */ result) => {
      observer.disconnect();
      clearTimeout(timer);
      resolve(result);
    };
    const observer = new MutationObserver(() => condition() && end(true));
    observer.observe(root, { childList: true, subtree: true, characterData: true });
    const timer = setTimeout(() => end(condition()), PATIENCE_MS);
  });
}

/**
 * The tag that the page comes to show, within a second, for one that was just put into its field.
 *
 * @param {Chosen} chosen
 * @param {string[]} before  the tags it showed until then
 * @param {string} tag
 * @returns {Promise<string | null>} the tag itself, or what the page has put in its place; null: nothing new
 */
export async function gained(chosen, before, tag) {
  const fresh = () => namesOf(chosen).filter((name) => !before.includes(name));
  await seen(chosen.root, () => fresh().length > 0);
  return fresh().includes(tag) ? tag : (fresh()[0] ?? null);
}

/**
 * Uses a field that the writer may be in the middle of: half-typed text and focus are theirs again afterwards.
 *
 * @template T
 * @param {HTMLInputElement} input
 * @param {() => Promise<T>} use
 * @returns {Promise<T>} what `use` gives
 */
export async function borrow(input, use) {
  const [halfTyped, focused] = [input.value, focusedElement()];
  input.focus({ preventScroll: true });
  const result = await use();
  if (input.value !== "") type(input, "");
  // Focus first: on leaving, the page would make a tag of half-typed text.
  if (focused instanceof HTMLElement && focused !== focusedElement()) focused.focus({ preventScroll: true });
  if (halfTyped !== "") type(input, halfTyped);
  return result;
}

/**
 * Takes a tag out again by its chip's own delete.
 *
 * @param {Chosen} chosen
 * @param {string} tag
 * @returns {Promise<boolean>} true once it is gone
 */
export function takeOut(chosen, tag) {
  const remove = chipOf(chosen, tag)?.querySelector(chosen.button);
  if (remove instanceof HTMLElement) remove.click();
  return seen(chosen.root, () => !namesOf(chosen).includes(tag));
}

/** The element with the keyboard, also inside a shadow root. */
function focusedElement() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}
