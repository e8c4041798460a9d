/** A model that came from the service, in a database of its own: it is replaced as a whole, or not at all. */

const DATABASE = "tagalong.model";
const STORE = "models";
const KEY = "newest";

/**
 * @typedef {object} StoredModel
 * @property {string} server  that it came from
 * @property {string} etag
 * @property {Blob} file
 */

/** @returns {Promise<StoredModel | undefined>} */
export const readStoredModel = () => transact("readonly", (store) => store.get(KEY));

/** @param {StoredModel} model */
export const storeModel = (model) => transact("readwrite", (store) => store.put(model, KEY));

export const deleteStoredModel = () => transact("readwrite", (store) => store.delete(KEY));

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>} the request's result, once everything is on disk
 */
async function transact(mode, work) {
  const database = await openDatabase();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<IDBDatabase>} */
function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
