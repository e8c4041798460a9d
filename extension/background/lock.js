/** Locks of the extension's origin: they hold across the worker and the extension's own pages. */

/**
 * Run `work` while no other change of the storage runs: two messages at once must not overwrite each other's change.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const withStorageLock = (work) => withLock("tagalong.storage", work);

/**
 * Run `work` while no batch of events is on its way to the service.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const withSendingLock = (work) => withLock("tagalong.sending", work);

/**
 * Run `work` while no other registration of content scripts runs.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const withScriptsLock = (work) => withLock("tagalong.pages", work);

/**
 * Run `work` while no other look at the service's model for devices runs.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const withModelLock = (work) => withLock("tagalong.model", work);

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
const withLock = (name, work) => /** @type {Promise<T>} */ (navigator.locks.request(name, work));
