/**
 * What the background keeps, in IndexedDB of the extension's own origin: content scripts run in the pages' processes,
 * and `storage.local` is open to them. There stands only what pages hand over (shared/storage-keys.js).
 */

import { browser } from "../browser.js";

/** Own pages hear on this BroadcastChannel that something has changed. */
export const CHANGES = "tagalong.changes";

const STORE = "kept";
/** What earlier versions kept in `storage.local`. */
const MOVED = ["settings", "outbox", "drafts", "tally"];

/** @type {Promise<IDBDatabase> | undefined} */
let opening;

/**
 * Runs `work` while no other change of what is kept runs, in whatever context: two messages at once must not
 * overwrite each other's change.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export function alone(work) {
  return /** @type {Promise<T>} */ (navigator.locks.request("tagalong.storage", work));
}

/**
 * Return the values kept under the keys; a key without one is left out.
 *
 * @param {...string} keys  none: everything
 * @returns {Promise<Record<string, any>>}
 */
export async function get(...keys) {
  return transact("readonly", async (store) => {
    const names = keys.length > 0 ? keys : /** @type {string[]} */ (await done(store.getAllKeys()));
    const values = await Promise.all(names.map((name) => done(store.get(name))));
    return Object.fromEntries(names.map((name, index) => [name, values[index]]).filter(([, value]) => value !== undefined));
  });
}

/** Keep values, all of them or none; throws where there is no room. @param {Record<string, unknown>} values */
export const set = (values) =>
  change((store) => {
    for (const [name, value] of Object.entries(values)) store.put(value, name);
  });

/** @param {string[]} names */
export const remove = (names) =>
  change((store) => {
    for (const name of names) store.delete(name);
  });

/** Forget everything. */
export const clear = () => change((store) => void store.clear());

/** @param {(store: IDBObjectStore) => void} work */
async function change(work) {
  await transact("readwrite", async (store) => work(store));
  const channel = new BroadcastChannel(CHANGES);
  channel.postMessage(null);
  channel.close();
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<T>} work  that waits for requests of the store only
 * @returns {Promise<T>} once all of it is on disk
 */
async function transact(mode, work) {
  opening ??= open();
  const transaction = (await opening).transaction(STORE, mode);
  const finished = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  try {
    const [result] = await Promise.all([work(transaction.objectStore(STORE)), finished]);
    return result;
  } catch (error) {
    finished.catch(() => {});
    abort(transaction);
    throw error;
  }
}

/** @param {IDBTransaction} transaction */
function abort(transaction) {
  try {
    transaction.abort();
  } catch {
    // It is at its end already.
  }
}

/** @returns {Promise<IDBDatabase>} */
async function open() {
  try {
    const before = await browser.storage.local.get(MOVED);
    const request = indexedDB.open("tagalong", 1);
    // Only where there is no database yet: later, nothing that a page puts there is taken for ours.
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(STORE);
      for (const [name, value] of Object.entries(before)) store.put(value, name);
    };
    const database = await done(request);
    database.onclose = () => (opening = undefined);
    database.onversionchange = () => {
      database.close();
      opening = undefined;
    };
    await browser.storage.local.remove(MOVED);
    return database;
  } catch (error) {
    opening = undefined;
    throw error;
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
