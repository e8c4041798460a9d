/** Adds a tag by the tag field of the Svelte page, and removes one. */

import { BorrowedTagInput } from "./borrowed-tag-input.js";
import { readSourceText } from "./source-text.js";

/** @typedef {import("./borrowed-tag-input.js").TagField} TagField */

export { removeTag } from "./borrowed-tag-input.js";

const REACTION_MS = 1000;
/** For each response of the page: its hits, and whether it accepts the tag. */
const ANSWER_MS = 3500;
/** A drop-down that stays empty for so long is an answer too. */
const EMPTY_MS = 500;
const MAX_TRIES = 8;

/** @param {TagField} field @param {string} tag @returns {Promise<string | null>} as `Page.addTag` */
export async function addTag(field, tag) {
  const input = new BorrowedTagInput(field, tag);
  let done = false;
  for (let tries = 0; tries < MAX_TRIES && !done; tries++) {
    await input.waitForPause();
    done = await tryTag(input, field, tag);
  }
  input.giveBack();
  return input.findShownTag();
}

/**
 * Let the page search for the tag, and choose it in the page's drop-down.
 *
 * @param {BorrowedTagInput} input
 * @param {TagField} field
 * @param {string} tag
 * @returns {Promise<boolean>} false if the writer typed on in the field meanwhile
 */
async function tryTag(input, field, tag) {
  const isTaken = () => input.findShownTag() !== null || input.isConsumed;
  const findHits = () => Array.from(field.list.root.querySelectorAll(`${field.dropDown} span`));
  const findHit = () =>
    /** @type {HTMLElement | undefined} */ (findHits().find((hit) => readSourceText(hit)?.trim() === tag));
  let emptySince = Infinity;
  const isEmpty = () => {
    const empty = field.list.root.querySelector(field.dropDown) !== null && findHits().length === 0;
    emptySince = empty ? Math.min(emptySince, performance.now()) : Infinity;
    return performance.now() - emptySince > EMPTY_MS;
  };
  const gestures = [() => input.withFocus(() => findHit()?.click()), () => input.press("Enter"), () => input.blur()];

  input.type();
  await input.waitUntil(() => isTaken() || !input.isTyped || findHit() !== undefined || isEmpty(), ANSWER_MS);
  // Other hits are other tags; a translated one may be any.
  const known = findHit() !== undefined || findHits().every((hit) => readSourceText(hit) === undefined);
  for (const gesture of known ? gestures : []) {
    if (isTaken() || !input.isTyped) break;
    gesture();
    await input.waitUntil(() => isTaken() || !input.isTyped, REACTION_MS);
  }
  if (input.isConsumed) await input.waitForNewTag(ANSWER_MS);
  return isTaken() || input.isTyped;
}
