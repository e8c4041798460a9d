/** The writer's own acceptance so far: what the popup shows, counted as the service counts it. Pure functions. */

/** @typedef {import("../messages.js").ItemLife} ItemLife */
/** @typedef {import("../messages.js").Tally} Tally */

/** @type {Readonly<Tally>} */
export const EMPTY = Object.freeze({ viewed: 0, accepted: 0, dismissed: 0, posted: 0, kept: 0 });

/**
 * The tally after an item's life went on by an event.
 *
 * @param {Tally} tally
 * @param {ItemLife | undefined} before  undefined: this event is the item's first
 * @param {ItemLife} after
 * @returns {Tally}
 */
export function withLife(tally, before, after) {
  const grown = (/** @type {(life: ItemLife) => boolean} */ is) => Number(is(after)) - Number(before ? is(before) : false);
  return {
    ...tally,
    viewed: tally.viewed + grown(() => true),
    accepted: tally.accepted + grown((life) => life.ever),
    dismissed: tally.dismissed + grown((life) => life.dismissed && !life.ever),
  };
}

/**
 * The tally after a draft was posted.
 *
 * @param {Tally} tally
 * @param {Record<string, ItemLife>} items  the draft's viewed items, by tag
 * @param {string[]} tags  those posted
 * @returns {Tally}
 */
export function withPosted(tally, items, tags) {
  const viewed = Object.entries(items);
  const kept = viewed.filter(([tag, life]) => life.ever && tags.includes(tag));
  return { ...tally, posted: tally.posted + viewed.length, kept: tally.kept + kept.length };
}
