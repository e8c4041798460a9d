/** The writer's own figures in the popup, counted as the service counts them. Pure functions. */

/** @typedef {import("../shared/protocol.js").ItemState} ItemState */
/** @typedef {import("../shared/protocol.js").Stats} Stats */

/** @type {Readonly<Stats>} */
export const NO_STATS = Object.freeze({ viewed: 0, accepted: 0, dismissed: 0, posted: 0, kept: 0 });

/**
 * Return the stats after an event changed an item.
 *
 * @param {Stats} stats
 * @param {ItemState | undefined} before  undefined: this event is the item's first
 * @param {ItemState} after
 * @returns {Stats}
 */
export function addItemChange(stats, before, after) {
  const change = (/** @type {(item: ItemState) => boolean} */ counts) =>
    Number(counts(after)) - Number(before ? counts(before) : false);
  return {
    ...stats,
    viewed: stats.viewed + change(() => true),
    accepted: stats.accepted + change((item) => item.ever),
    dismissed: stats.dismissed + change((item) => item.dismissed && !item.ever),
  };
}

/**
 * Return the stats after a draft was posted.
 *
 * @param {Stats} stats
 * @param {Record<string, ItemState>} items  the draft's viewed items, by tag
 * @param {string[]} tags  those posted
 * @returns {Stats}
 */
export function addPostedDraft(stats, items, tags) {
  const viewed = Object.entries(items);
  const kept = viewed.filter(([tag, item]) => item.ever && tags.includes(tag));
  return { ...stats, posted: stats.posted + viewed.length, kept: stats.kept + kept.length };
}
