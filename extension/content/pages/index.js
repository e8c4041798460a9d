/** Finds the page to ask on by its markup: addresses and dates do not tell the generations apart. */

import * as classic from "./classic.js";

/** @typedef {import("./contract.js").Page} Page */
/** @typedef {import("./contract.js").Adapter} Adapter */

/** @type {Adapter[]} */
const ADAPTERS = [classic];

/** @param {Document} document @returns {Page | null} null on unknown markup */
export function findPage(document) {
  for (const adapter of ADAPTERS) {
    const page = adapter.find(document);
    if (page) return page;
  }
  return null;
}
