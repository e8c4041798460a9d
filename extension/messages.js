/** What the parts of the extension say to each other: every message with its fields and its answer. */

/**
 * @typedef {object} Settings
 * @property {string} server  origin (and path) of the service, without a slash at the end
 * @property {string} api_key  what a closed service asks for; empty where it is open
 * @property {boolean} drafts  consent: drafts are sent to the service for tags
 * @property {boolean} counts  consent: what happens to the chips is sent; only together with `drafts`
 * @property {string | null} install_id  random; made at the first consent
 * @property {string[]} sites_off  sites that are switched off in the popup
 * @property {number | null} paused_until  ms since the epoch; 0: not paused; null: until the writer ends it
 * @property {number} debounce_ms  quiet time after a keystroke before the service is asked
 * @property {string[]} never  tags that the writer wants no chip of, in no draft
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
 * @property {number} uses  how often the tag is used on the site, as the model's data had it
 * @property {string[]} because  the draft's words that speak for it, the strongest first
 */

/**
 * @typedef {{state: "answered", suggestion_id: string | null, items: Offer[]}
 *   | {state: "overtaken"}
 *   | {state: "off"}
 *   | {state: "away", message: string, wait_ms: number, again: boolean}} Answer  `wait_ms`: how long the service
 *   asked to be left alone; else 0. `again`: the same question may be answered later
 */

/**
 * What has happened to one item so far; kept with the draft, so that a reload neither counts a view twice
 * nor brings a dismissed tag back.
 *
 * @typedef {object} ItemLife
 * @property {string} suggestion_id  the suggestion of the first view
 * @property {boolean} accepted  the last word of accepted and removed
 * @property {boolean} ever  whether it was accepted at any time
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
 * The writer's own acceptance so far, of drafts on the ask page: items as the README defines them.
 *
 * @typedef {object} Tally
 * @property {number} viewed
 * @property {number} accepted  of the viewed; ever
 * @property {number} dismissed  of the viewed; never accepted, and no is the last word
 * @property {number} posted  viewed items of drafts that were posted
 * @property {number} kept  of these, those that were accepted and posted
 */

/**
 * @typedef {object} Status  how things are here
 * @property {Settings} settings
 * @property {number} waiting  events not yet answered for
 * @property {number} lost  events dropped: the service refuses them, or the disk had no more room
 * @property {Tally} tally
 */

/**
 * @typedef {object} Health  how things are at the service; "off": it may not be asked
 * @property {"off" | "ready" | "away"} service
 * @property {string} message  why it is away; else empty
 * @property {string} model  the model's version; empty where the service is not ready
 * @property {"present" | "away" | ""} database  away: it suggests, and events wait
 */

/**
 * How a page to ask on is, seen from its content script.
 *
 * @typedef {object} TabState
 * @property {string} site
 * @property {string | null} page  generation of its markup; null where that is not known, so there are no chips
 */

/**
 * What a tab's content script is told; where it does not run, the message is rejected.
 *
 * @typedef {object} TabMessages  by name
 * @property {{says: {}, answer: TabState | null}} describe  from the popup; null: not a page to ask on
 * @property {{says: {}, answer: null}} focus  the shortcut was pressed
 * @property {{says: {}, answer: null}} settings  they have changed: whatever is known of them is to be asked for again
 * @property {{says: {never: string[]}, answer: null}} never  the tags of which the writer wants no chip, as they are now
 */

/**
 * @typedef {object} Messages  by name: what is said, what is answered
 *
 * From a page's content script:
 * @property {{says: {entered: boolean}, answer: {on: boolean, debounce_ms: number, never: string[]}}} hello  how chips
 *   are wanted on a page to ask on. `entered`: it was come to just now
 * @property {{says: {title: string, kind: Draft["kind"], reloaded: boolean},
 *   answer: {draft_id: string, items: Record<string, ItemLife>}}} open
 * @property {{says: {}, answer: null}} wake  the writer types again after a while, and will ask soon
 * @property {{says: {draft_id: string, draft: Draft}, answer: Answer}} suggest
 * @property {{says: {unsaved?: Record<string, ItemEvent>}, answer: null}} told  events are on disk
 *   (shared/storage-keys.js), but for those `unsaved`, by the keys they would have: there was no room
 * @property {{says: {question_id: number | null, from: string}, answer: null}} arrived  the tab was led to a question,
 *   or to one that is staged: null. `from`: path of the page that led there
 * @property {{says: {}, answer: null}} discarded  the writer threw the draft away
 * @property {{says: {tag: string, on: boolean}, answer: null}} never  on: no chip of this tag again; off: as before
 *
 * From the extension's own pages:
 * @property {{says: {}, answer: Status}} status  at once
 * @property {{says: {}, answer: Health}} check  asks the service, if it may be asked
 * @property {{says: {server: string, api_key: string}, answer: Health}} test  asks another one, and tries the key
 * @property {{says: {changes: Partial<Settings>}, answer: Settings}} change
 * @property {{says: {}, answer: {waiting: number}}} flush  send what waits, now
 * @property {{says: {where: Where}, answer: {data: unknown} | {failed: string}}} export
 * @property {{says: {where: Where}, answer: {settings: Settings} | {failed: string}}} erase
 */

/** @typedef {"here" | "service"} Where  what this browser keeps, or what the service holds of it */

export {};
