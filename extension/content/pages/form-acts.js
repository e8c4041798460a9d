/** Puts a tag into the tag field of the form of 2019, and takes one out. */

import { namesOf } from "./chosen.js";
import { borrow, press, seen, takeOut, type } from "./hands.js";

/** @typedef {import("./chosen.js").Chosen} Chosen */

/**
 * @param {Chosen} chosen
 * @param {HTMLElement} field
 * @param {HTMLInputElement} input
 * @param {string} tag
 */
export function add(chosen, field, input, tag) {
  const taken = () => seen(field, () => namesOf(chosen).includes(tag));
  return borrow(input, async () => {
    type(input, tag);
    field.click();
    if (await taken()) return true;
    for (const key of [" ", "Enter"]) {
      if (input.value !== tag) type(input, tag);
      press(input, key);
      if (await taken()) return true;
    }
    return false;
  });
}

/** @param {Chosen} chosen @param {string} tag */
export const remove = (chosen, tag) => takeOut(chosen, tag, ".js-delete-tag");
