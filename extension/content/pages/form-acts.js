/** Puts a tag into the tag field of the form of 2019, and takes one out. */

import { namesOf } from "./chosen.js";
import { borrow, gained, press, takeOut, type } from "./hands.js";

/** @typedef {import("./chosen.js").Chosen} Chosen */

/**
 * @param {Chosen} chosen
 * @param {HTMLElement} field
 * @param {HTMLInputElement} input
 * @param {string} tag
 */
export function add(chosen, field, input, tag) {
  const before = namesOf(chosen);
  const taken = () => gained(chosen, before, tag);
  return borrow(input, async () => {
    type(input, tag);
    field.click();
    let shown = await taken();
    for (const key of [" ", "Enter"]) {
      if (shown !== null) break;
      if (input.value !== tag) type(input, tag);
      press(input, key);
      shown = await taken();
    }
    return shown;
  });
}

/** @param {Chosen} chosen @param {string} tag */
export const remove = (chosen, tag) => takeOut(chosen, tag);
