/** Puts a tag into the tag field of the Svelte page, and takes one out. */

import { namesOf } from "./chosen.js";
import { borrow, gained, press, seen, takeOut, type } from "./hands.js";

/** @typedef {import("./chosen.js").Chosen} Chosen */

/**
 * @param {Chosen} chosen
 * @param {HTMLElement} form
 * @param {HTMLInputElement} input
 * @param {string} tag
 */
export function add(chosen, form, input, tag) {
  const before = namesOf(chosen);
  const taken = () => gained(chosen, before, tag);
  return borrow(input, async () => {
    type(input, tag);
    if (await seen(form, () => hitOf(form, tag) !== undefined)) {
      hitOf(form, tag)?.click();
      const shown = await taken();
      if (shown !== null) return shown;
    }
    if (input.value !== tag) type(input, tag);
    press(input, "Enter");
    const shown = await taken();
    if (shown !== null) return shown;
    input.blur();
    return taken();
  });
}

/** @param {Chosen} chosen @param {string} tag */
export const remove = (chosen, tag) => takeOut(chosen, tag);

/** The tag among what the page has found for the text in its field. @param {HTMLElement} form @param {string} tag */
function hitOf(form, tag) {
  /** @type {NodeListOf<HTMLElement>} */
  const texts = form.querySelectorAll("#tag-searchResults span");
  return Array.from(texts).find((text) => text.textContent?.trim() === tag);
}
