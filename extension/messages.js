/** What the parts of the extension say to each other: every message with its fields and its answer. */

/**
 * @typedef {object} Settings
 * @property {string} server  origin (and path) of the service, without a slash at the end
 * @property {boolean} drafts  consent: drafts are sent to the service for tags
 * @property {boolean} counts  consent: what happens to the chips is sent; only together with `drafts`
 * @property {string | null} install_id  random; made at the first consent
 * @property {boolean} enabled  the switch in the popup
 * @property {number} debounce_ms  quiet time after a keystroke before the service is asked
 */

/**
 * @typedef {object} Draft  one state of the question being written
 * @property {"ask" | "edit"} kind
 * @property {string} page  generation of the page's markup, such as "classic"
 * @property {string} site  host name without "www."
 * @property {string} title
 * @property {string} body
 * @property {"markdown" | "html" | "text"} body_format
 * @property {string[]} chosen_tags
 */

/**
 * @typedef {object} Offer  one tag of an answer
 * @property {string} tag
 * @property {number} score  0 to 1, calibrated
 * @property {boolean} confident
 */

/**
 * @typedef {{state: "answered", suggestion_id: string | null, items: Offer[]}
 *   | {state: "overtaken"}
 *   | {state: "off"}
 *   | {state: "away", message: string}} Answer
 */

/**
 * What has happened to one item so far; kept with the draft, so that a reload neither counts a view twice
 * nor brings a dismissed tag back.
 *
 * @typedef {object} ItemLife
 * @property {string} suggestion_id  the suggestion of the first view
 * @property {boolean} accepted  the last word of accepted and removed
 * @property {boolean} dismissed  the last word of dismissed and restored
 */

/**
 * @typedef {object} ItemEvent
 * @property {string} id
 * @property {string} occurred_at
 * @property {"viewed" | "accepted" | "removed" | "dismissed" | "restored"} kind
 * @property {string} draft_id
 * @property {string} suggestion_id
 * @property {string} tag
 * @property {number} [position]  from 1 on screen; of `viewed` only
 */

/**
 * @typedef {object} Status  how things are here
 * @property {Settings} settings
 * @property {number} waiting  events not yet answered for
 * @property {number} lost  events dropped because the service refuses them
 */

/**
 * @typedef {object} Health  how things are at the service; "off": it may not be asked
 * @property {"off" | "ready" | "away"} service
 * @property {string} message  why it is away; else empty
 */

/**
 * @typedef {object} Messages  by name: what is said, what is answered
 *
 * From a page's content script:
 * @property {{says: {}, answer: {on: boolean, debounce_ms: number}}} hello  a page to ask on was opened
 * @property {{says: {title: string, reloaded: boolean}, answer: {draft_id: string, items: Record<string, ItemLife>}}} open
 * @property {{says: {draft_id: string, draft: Draft}, answer: Answer}} suggest
 * @property {{says: {events: ItemEvent[]}, answer: null}} record  answered once they are on disk
 * @property {{says: {draft_id: string, tags: string[], site: string}, answer: null}} posting  submitted, not yet posted
 * @property {{says: {}, answer: null}} withdrawn  the page kept the writer: it was not posted
 * @property {{says: {question_id: number | null}, answer: null}} arrived  the tab shows a question; null: one that is staged
 * @property {{says: {}, answer: null}} discarded  the writer threw the draft away
 *
 * From the extension's own pages:
 * @property {{says: {}, answer: Status}} status  at once
 * @property {{says: {}, answer: Health}} check  asks the service
 * @property {{says: {changes: Partial<Settings>}, answer: Settings}} change
 * @property {{says: {}, answer: {waiting: number}}} flush  send what waits, now
 * @property {{says: {}, answer: {data: unknown} | {failed: string}}} export
 * @property {{says: {}, answer: {settings: Settings} | {failed: string}}} erase
 */

/** Messages that only the extension's own pages may send: a web page's renderer must not change consent. */
export const OWN_PAGES_ONLY = Object.freeze(["status", "check", "change", "flush", "export", "erase"]);
