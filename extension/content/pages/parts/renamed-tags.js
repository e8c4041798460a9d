/** Finds out which of the page's tags were renamed, by comparing its list of tags before and after a change. */

/**
 * Return the tags that the page has replaced by others: between two tags that stayed, as many as there were.
 *
 * @param {string[]} before
 * @param {string[]} after
 * @returns {[string, string][]} pairs of the old and the new name
 */
export function findRenamedTags(before, after) {
  const stays = (/** @type {string} */ name) => before.includes(name) && after.includes(name);
  const splitAtStaying = (/** @type {string[]} */ names) => {
    /** @type {string[][]} */
    const gaps = [[]];
    for (const name of names) stays(name) ? gaps.push([]) : gaps.at(-1)?.push(name);
    return gaps;
  };
  const addedByGap = splitAtStaying(after);
  return splitAtStaying(before).flatMap((removed, index) => {
    const added = addedByGap[index] ?? [];
    if (removed.length !== added.length) return [];
    return removed.map((name, place) => /** @type {[string, string]} */ ([name, added[place]]));
  });
}
