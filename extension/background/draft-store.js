/** What is stored about drafts: their records, on disk, and which one is written in which tab, for the session. */

import { browser } from "../shared/browser.js";
import { NO_STATS } from "./stats.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */
/** @typedef {import("../shared/protocol.js").Stats} Stats */

/**
 * @typedef {object} DraftRecord  never the draft's text
 * @property {Draft["kind"]} kind
 * @property {string} place  site, and the path of the post where one is edited
 * @property {string} title_hash  of its title as last seen: finds a draft that the page restores later
 * @property {number} touched  ms since the epoch
 * @property {boolean} recorded  at least one answer to it is recorded, at the service or in this browser
 * @property {{state: string, suggestion_id: string}} [device_answer]  the last answer of the model on this device:
 *   a hash of what it was an answer to, and its id
 * @property {Record<string, ItemState>} items  by tag
 */

const RETENTION_MS = 7 * 24 * 60 * 60_000;
const MAX_DRAFTS = 100;

/**
 * Return the drafts of the last seven days by id, at most the newest hundred.
 *
 * @returns {Promise<Record<string, DraftRecord>>}
 */
export async function readDrafts() {
  const { drafts = {} } = await storage.get("drafts");
  const stored = /** @type {[string, DraftRecord][]} */ (Object.entries(drafts));
  const recent = stored.filter(([, draft]) => Date.now() - draft.touched < RETENTION_MS);
  return Object.fromEntries(recent.sort(([, a], [, b]) => b.touched - a.touched).slice(0, MAX_DRAFTS));
}

/**
 * Return the drafts' ids by tab, from `storage.session`: it ends with the browser, as the tabs' ids do.
 *
 * @returns {Promise<Record<string, string>>}
 */
export async function readTabDrafts() {
  return /** @type {Record<string, string>} */ ((await browser.storage.session.get("tabs"))["tabs"] ?? {});
}

/**
 * Return the same without closed tabs: a listener for every closed tab, of whatever site, would start the worker for
 * nothing.
 *
 * @returns {Promise<Record<string, string>>}
 */
export async function readOpenTabDrafts() {
  const open = new Set((await browser.tabs.query({})).map(({ id }) => id));
  return Object.fromEntries(Object.entries(await readTabDrafts()).filter(([tab]) => open.has(Number(tab))));
}

/** @param {Record<string, string>} tabs */
export const writeTabDrafts = (tabs) => browser.storage.session.set({ tabs });

/** Forget which draft is written in which tab. */
export const clearTabDrafts = () => browser.storage.session.remove("tabs");

/** @returns {Promise<Stats>} */
export async function readStats() {
  const { tally } = await storage.get("tally");
  return { ...NO_STATS, ...tally };
}
