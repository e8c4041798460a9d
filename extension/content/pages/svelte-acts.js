/** Puts a tag into the tag field of the Svelte page, and takes one out. */

import { namesOf } from "./chosen.js";
import { borrow, press, seen, takeOut, type } from "./hands.js";

/** @typedef {import("./chosen.js").Chosen} Chosen */

/**
 * @param {Chosen} chosen
 * @param {HTMLElement} form
 * @param {HTMLInputElement} input
 * @param {string} tag
 */
export function add(chosen, form, input, tag) {
  const taken = () => seen(form, () => namesOf(chosen).includes(tag));
  return borrow(input, async () => {
    type(input, tag);
    if (await seen(form, () => hitOf(form, tag) !== undefined)) {
      hitOf(form, tag)?.click();
      if (await taken()) return true;
    }
    if (input.value !== tag) type(input, tag);
    press(input, "Enter");
    if (await taken()) return true;
    input.blur();
    return taken();
  });
}

/** @param {Chosen} chosen @param {string} tag */
export const remove = (chosen, tag) => takeOut(chosen, tag, "button.s-tag--dismiss");

/** The tag among what the page has found for the text in its field. @param {HTMLElement} form @param {string} tag */
function hitOf(form, tag) {
  /** @type {NodeListOf<HTMLElement>} */
  const texts = form.querySelectorAll("#tag-searchResults span");
  return Array.from(texts).find((text) => text.textContent?.trim() === tag);
}
