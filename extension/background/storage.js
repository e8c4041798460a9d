/**
 * The background's storage, in IndexedDB of the extension's own origin. Content scripts run in the pages' processes,
 * and `storage.local` is open to them: it has only what they exchange with the background (shared/storage-keys.js).
 */

import { browser } from "../shared/browser.js";
import { STORAGE_CHANNEL } from "../shared/storage-keys.js";

const DATABASE = "tagalong";
const STORE = "kept";
/** Keys that earlier versions stored in `storage.local`. */
const MIGRATED_KEYS = ["settings", "outbox", "drafts", "tally"];

/** @type {Promise<IDBDatabase> | undefined} */
let opening;

/**
 * Return the values under the keys; a key without a value is left out.
 *
 * @param {...string} keys  none: everything
 * @returns {Promise<Record<string, any>>}
 */
export async function get(...keys) {
  return transact("readonly", async (store) => {
    const names = keys.length > 0 ? keys : /** @type {string[]} */ (await toPromise(store.getAllKeys()));
    const values = await Promise.all(names.map((name) => toPromise(store.get(name))));
    const entries = names.map((name, index) => [name, values[index]]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  });
}

/** Store values, all of them or none; throw if there is no room. @param {Record<string, unknown>} values */
export const set = (values) =>
  change((store) => {
    for (const [name, value] of Object.entries(values)) store.put(value, name);
  });

/** @param {string[]} keys */
export const remove = (keys) =>
  change((store) => {
    for (const key of keys) store.delete(key);
  });

/** Delete everything. */
export const clear = () => change((store) => void store.clear());

/** @param {(store: IDBObjectStore) => void} work */
async function change(work) {
  await transact("readwrite", async (store) => work(store));
  const channel = new BroadcastChannel(STORAGE_CHANNEL);
  channel.postMessage(null);
  channel.close();
}

/**
 * Run `work` in a transaction; return its result once everything is on disk.
 *
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<T>} work  awaits requests of the store only
 * @returns {Promise<T>}
 */
async function transact(mode, work) {
  opening ??= openDatabase();
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
    // It has ended already.
  }
}

/** @returns {Promise<IDBDatabase>} */
async function openDatabase() {
  try {
    const migrated = await browser.storage.local.get(MIGRATED_KEYS);
    const request = indexedDB.open(DATABASE, 1);
    // Only where there is no database yet: later, nothing that a page puts there is taken for ours.
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(STORE);
      for (const [name, value] of Object.entries(migrated)) store.put(value, name);
    };
    const database = await toPromise(request);
    database.onclose = () => (opening = undefined);
    database.onversionchange = () => {
      database.close();
      opening = undefined;
    };
    await browser.storage.local.remove(MIGRATED_KEYS);
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
function toPromise(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
