/** What pages and the background hand each other on disk: it outlives the page, the worker and the browser. */

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */

/**
 * Keys of events that the background has not numbered yet begin with this. Behind it: when the page was opened,
 * an id of the page, the event's place among the page's events; so the keys' order is that of the events.
 */
export const TOLD = "told.";

/**
 * Keys of what a page holds back until the site has settled it begin with this; behind it as behind `TOLD`, without a
 * place. It is told if the page is gone before.
 */
export const HELD = "held.";

/** Keys of questions that were submitted, and may yet be kept back by the page, begin with this; then the draft's id. */
export const POSTING = "posting.";

/**
 * What the background says to pages without being started: whether drafts may be sent. Only a hint; the background
 * itself goes by the settings, which no page can reach.
 */
export const AGREED = "agreed";

/**
 * @typedef {object} HeldBack  what is kept under such a key
 * @property {number} at  ms since the epoch of the last change
 * @property {unknown[]} events
 */

/**
 * @typedef {object} Posting  what is kept under such a key
 * @property {string} submitted  ISO 8601
 * @property {string[]} tags
 * @property {string} site
 * @property {string} from  path of the page it was submitted from
 */
