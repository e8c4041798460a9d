/** Puts a tag into the tag field of the form of 2019, and takes one out. */

import { SharedField, takeOut } from "./borrowed-tag-input.js";

/** @typedef {import("./borrowed-tag-input.js").TagField} TagField */

/** The page takes most tags in an instant, and asks its server about others. */
const REACTION_MS = 1000;
const ANSWER_MS = 3500;
const MOST_TRIES = 8;

/** @param {TagField} field @param {string} tag */
export async function add(field, tag) {
  const shared = new SharedField(field, tag);
  const gestures = [
    // As one who has typed it clicks beside it.
    () => shared.put((input) => /** @type {HTMLElement} */ (input.closest(".js-tag-editor")).click()),
    () => shared.press(" "),
    () => shared.press("Enter"),
  ];
  const isShown = () => shared.shown() !== null;
  for (let tries = 0; tries < MOST_TRIES && !isShown(); tries++) {
    await shared.pause();
    gestures[Math.min(tries, gestures.length - 1)]?.();
    await shared.until(() => isShown() || shared.consumed, REACTION_MS);
    // Wanted back by the writer before the page could react, it is tried again.
    const over = shared.consumed || (shared.inPlace && tries >= gestures.length - 1);
    if (over) await shared.answer(ANSWER_MS);
    if (over) break;
  }
  shared.end();
  return shared.shown();
}

/** @param {TagField} field @param {string} tag */
export const remove = (field, tag) => takeOut(field, tag);
