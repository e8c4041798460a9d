/** Changes what is on disk one at a time: two messages at once must not overwrite each other's change. */

/**
 * Runs `work` while no other change of the extension's storage runs, in whatever context.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export function alone(work) {
  return /** @type {Promise<T>} */ (navigator.locks.request("tagalong.storage", work));
}
