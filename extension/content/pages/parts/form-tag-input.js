/** Adds a tag by the tag field of the form of 2019, and removes one. */

import { BorrowedTagInput } from "./borrowed-tag-input.js";

/** @typedef {import("./borrowed-tag-input.js").TagField} TagField */

export { removeTag } from "./borrowed-tag-input.js";

/** The page accepts most tags at once, and asks its server about others. */
const REACTION_MS = 1000;
const ANSWER_MS = 3500;
const MAX_TRIES = 8;

/** @param {TagField} field @param {string} tag @returns {Promise<string | null>} as `Page.addTag` */
export async function addTag(field, tag) {
  const input = new BorrowedTagInput(field, tag);
  const gestures = [
    // As someone does who has typed the tag and clicks beside it.
    () => input.type((element) => /** @type {HTMLElement} */ (element.closest(".js-tag-editor")).click()),
    () => input.press(" "),
    () => input.press("Enter"),
  ];
  const isShown = () => input.findShownTag() !== null;
  for (let tries = 0; tries < MAX_TRIES && !isShown(); tries++) {
    await input.waitForPause();
    gestures[Math.min(tries, gestures.length - 1)]?.();
    await input.waitUntil(() => isShown() || input.isConsumed, REACTION_MS);
    // If the writer typed on before the page could react, it is tried again.
    const done = input.isConsumed || (input.isTyped && tries >= gestures.length - 1);
    if (done) await input.waitForNewTag(ANSWER_MS);
    if (done) break;
  }
  input.giveBack();
  return input.findShownTag();
}
