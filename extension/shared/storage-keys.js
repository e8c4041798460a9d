/** Keys of `storage.local`, in which content scripts and the background exchange data: it outlives page and worker. */

/** @typedef {import("./protocol.js").ItemEvent} ItemEvent */

/**
 * Prefix of the keys of events that the background has not numbered yet. Behind it: when the page was opened, an id
 * of the page, and the event's position among the page's events; so the keys sort as the events happened.
 */
export const EVENT_PREFIX = "told.";

/**
 * Prefix of the keys of events that a page holds back until the site has settled them; then as behind `EVENT_PREFIX`,
 * without a position. They count if the page is gone before.
 */
export const HELD_EVENTS_PREFIX = "held.";

/** Prefix of the keys of submitted questions, which the page may yet refuse; then the draft's id. */
export const SUBMISSION_PREFIX = "posting.";

/**
 * Whether tags may be suggested, for content scripts that must not start the background for it. Only a hint: the
 * background goes by the settings, which no page can reach.
 */
export const SUGGESTIONS_ALLOWED = "agreed";

/** The BroadcastChannel on which the extension's own pages hear that the background has stored something. */
export const STORAGE_CHANNEL = "tagalong.changes";

/**
 * @typedef {object} HeldEvents  the value under a key with `HELD_EVENTS_PREFIX`
 * @property {number} at  ms since the epoch of the last change
 * @property {unknown[]} events
 */

/**
 * @typedef {object} Submission  the value under a key with `SUBMISSION_PREFIX`
 * @property {string} submitted  ISO 8601
 * @property {string[]} tags
 * @property {string} site
 * @property {string} from  path of the page it was submitted from
 */
