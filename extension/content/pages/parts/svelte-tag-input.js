/** Puts a tag into the tag field of the Svelte page, and takes one out. */

import { sourceTextOf } from "./source-text.js";
import { SharedField, takeOut } from "./borrowed-tag-input.js";

/** @typedef {import("./borrowed-tag-input.js").TagField} TagField */

const REACTION_MS = 1000;
/** For each of its answers: what it has found, and whether it takes the tag. */
const ANSWER_MS = 3500;
/** A list without any hit that stays empty for so long is an answer too. */
const EMPTY_MS = 500;
const MOST_TRIES = 8;

/** @param {TagField} field @param {string} tag */
export async function add(field, tag) {
  const shared = new SharedField(field, tag);
  let over = false;
  for (let tries = 0; tries < MOST_TRIES && !over; tries++) {
    await shared.pause();
    over = await offer(shared, field, tag);
  }
  shared.end();
  return shared.shown();
}

/**
 * Has the page look for the tag, and takes its hit.
 *
 * @param {SharedField} shared
 * @param {TagField} field
 * @param {string} tag
 * @returns {Promise<boolean>} false: the writer wanted the field back meanwhile
 */
async function offer(shared, field, tag) {
  const isShown = () => shared.shown() !== null;
  const isTaken = () => isShown() || shared.consumed;
  const hits = () => Array.from(field.chosen.root.querySelectorAll(`${field.hits} span`));
  const hit = () =>
    /** @type {HTMLElement | undefined} */ (hits().find((hit) => sourceTextOf(hit)?.trim() === tag));
  let emptySince = Infinity;
  const isEmpty = () => {
    const empty = field.chosen.root.querySelector(field.hits) !== null && hits().length === 0;
    emptySince = empty ? Math.min(emptySince, performance.now()) : Infinity;
    return performance.now() - emptySince > EMPTY_MS;
  };
  const steps = [() => shared.use(() => hit()?.click()), () => shared.press("Enter"), () => shared.leave()];

  shared.put();
  await shared.until(() => isTaken() || !shared.inPlace || hit() !== undefined || isEmpty(), ANSWER_MS);
  // Any other hit would be another tag; of one that is translated, nobody knows.
  const known = hit() !== undefined || hits().every((hit) => sourceTextOf(hit) === undefined);
  for (const step of known ? steps : []) {
    if (isTaken() || !shared.inPlace) break;
    step();
    await shared.until(() => isTaken() || !shared.inPlace, REACTION_MS);
  }
  if (shared.consumed) await shared.answer(ANSWER_MS);
  return isTaken() || shared.inPlace;
}

/** @param {TagField} field @param {string} tag */
export const remove = (field, tag) => takeOut(field, tag);
