/** The messages between the parts of the extension, each with its fields and its answer. Types only. */

/**
 * @typedef {object} Settings
 * @property {"device" | "service" | "service_then_device"} source  where tags come from
 * @property {string} server  origin (and path) of the service, without a trailing slash
 * @property {string} api_key  what a closed service asks for; empty where it is open
 * @property {boolean} drafts  consent: drafts are sent to the service for tags
 * @property {boolean} counts  consent: what happens to the chips is sent; only where there are tags without it
 * @property {string | null} install_id  random; made at the first consent
 * @property {string[]} sites_off  sites that are switched off in the popup
 * @property {number | null} paused_until  ms since the epoch; 0: not paused; null: until the writer ends the pause
 * @property {number} debounce_ms  quiet time after a keystroke before the service is asked
 * @property {string[]} never  blocked tags: they get no chip, in no draft
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

/** @typedef {"device" | "service"} Origin  who gave an answer: the model on this device, or that of the service */

/**
 * @typedef {object} SuggestedTag  one tag of an answer
 * @property {string} tag
 * @property {number} score  0 to 1, calibrated
 * @property {boolean} confident
 * @property {number} uses  how often the tag is used on the site, in the model's training data
 * @property {string[]} because  the draft's words that speak for it, the strongest first
 */

/**
 * What came of asking for tags. `superseded`: a newer state of the draft was asked for meanwhile. `off`: nobody may be
 * asked, or the model does not know the site. `away`: there was no answer; `wait_ms` is how long the service asked to
 * be left alone, else 0, and `retryable` whether the same request may be answered later.
 *
 * @typedef {{state: "answered", origin: Origin, suggestion_id: string | null, items: SuggestedTag[]}
 *   | {state: "superseded"}
 *   | {state: "off"}
 *   | {state: "away", message: string, wait_ms: number, retryable: boolean}} SuggestResult
 */

/**
 * What has happened to one item so far; stored with the draft, so that a reload neither counts a view twice nor brings
 * a dismissed tag back.
 *
 * @typedef {object} ItemState
 * @property {string} suggestion_id  the suggestion of the first view
 * @property {Origin} origin  of that suggestion
 * @property {boolean} accepted  by the latest of accepted and removed
 * @property {boolean} ever  whether it was accepted at any time
 * @property {boolean} dismissed  by the latest of dismissed and restored
 */

/**
 * @typedef {object} ItemEvent
 * @property {string} id
 * @property {string} occurred_at
 * @property {"viewed" | "accepted" | "removed" | "dismissed" | "restored"} kind
 * @property {string} draft_id
 * @property {string} suggestion_id
 * @property {Origin} [origin]  of that suggestion; left out: the service
 * @property {string} tag
 * @property {number} [position]  from 1 on screen; of `viewed` only
 */

/**
 * @typedef {object} SuggestedEvent  an answer that the model on this device gave
 * @property {string} id
 * @property {string} occurred_at
 * @property {"suggested"} kind
 * @property {string} draft_id
 * @property {string} suggestion_id
 * @property {Draft["kind"]} draft_kind
 * @property {string} site
 * @property {string} page
 * @property {string} extension_version
 * @property {string} model_version
 * @property {string[]} tags  best first
 * @property {number[]} scores  of the tags, in their order
 * @property {number} confident  how many of the tags, from the first, the model is sure of
 * @property {number} title_chars  as Unicode code points
 * @property {number} body_chars
 * @property {number} latency_ms
 * @property {"model"} order  in which the chips are shown
 * @property {string[]} chosen_tags
 */

/**
 * @typedef {object} PostedEvent
 * @property {string} id
 * @property {string} occurred_at
 * @property {"posted"} kind
 * @property {string} draft_id
 * @property {string[]} tags
 * @property {number | null} question_id  null: in the staging ground
 * @property {string} site
 * @property {"device"} [origin]  of answers to the draft; left out: the service alone
 */

/**
 * The writer's own figures so far, of drafts on the ask page; items as the README defines them.
 *
 * @typedef {object} Stats
 * @property {number} viewed
 * @property {number} accepted  viewed items that were ever accepted
 * @property {number} dismissed  viewed items that were never accepted and are dismissed now
 * @property {number} posted  viewed items of drafts that were posted
 * @property {number} kept  of these, those that were accepted and posted
 */

/**
 * @typedef {object} Status  what the background has stored
 * @property {Settings} settings
 * @property {number} waiting  events that the service has not answered for yet
 * @property {number} lost  events dropped: the service refuses them, or the disk had no more room
 * @property {Stats} stats
 */

/**
 * @typedef {object} Health  the state of the service; "off": it may not be asked
 * @property {"off" | "ready" | "away"} service
 * @property {string} message  why it is away; else empty
 * @property {string} model  the model's version; empty where the service is not ready
 * @property {"present" | "away" | ""} database  away: the service suggests, and events wait
 */

/**
 * @typedef {object} TabState  the page in a tab where a question can be written
 * @property {string} site
 * @property {string | null} page  generation of its markup; null where it is unknown, so there are no chips
 */

/**
 * @typedef {object} PageSettings  what a content script may know of the settings
 * @property {boolean} on  whether chips are wanted on this page
 * @property {number} debounce_ms
 * @property {string[]} blocked_tags
 */

/**
 * Messages to a tab's content script; where it does not run, sending is rejected.
 *
 * @typedef {object} TabMessages  by type
 * @property {{fields: {}, answer: TabState | null}} getTabState  from the popup; null: no question can be written there
 * @property {{fields: {}, answer: null}} focusChips  the shortcut was pressed
 * @property {{fields: {}, answer: null}} settingsChanged  the content script asks for its settings anew
 * @property {{fields: {blocked_tags: string[]}, answer: null}} blockedTagsChanged  the whole list as it is now
 */

/**
 * Messages to the background.
 *
 * @typedef {object} Messages  by type
 *
 * From content scripts:
 * @property {{fields: {entered: boolean}, answer: PageSettings}} getPageSettings  `entered`: the page has just been
 *   opened, so what the tab submitted before was not posted
 * @property {{fields: {title: string, kind: Draft["kind"], reloaded: boolean},
 *   answer: {draft_id: string, items: Record<string, ItemState>}}} openDraft
 * @property {{fields: {}, answer: null}} wake  the writer types again after a while, and tags will be asked for soon
 * @property {{fields: {draft_id: string, draft: Draft}, answer: SuggestResult}} suggest
 * @property {{fields: {unsaved?: Record<string, ItemEvent>}, answer: null}} eventsStored  events are in `storage.local`
 *   (storage-keys.js), except for those `unsaved`, by the keys they would have: there was no room
 * @property {{fields: {question_id: number | null, from: string}, answer: null}} questionOpened  the tab went to a
 *   question, or to the staging ground: null. `from`: path of the page that led there
 * @property {{fields: {}, answer: null}} draftDiscarded  by the writer, on the page
 * @property {{fields: {tag: string, blocked: boolean}, answer: null}} setTagBlocked
 *
 * From the extension's own pages:
 * @property {{fields: {}, answer: Status}} getStatus  without asking the service
 * @property {{fields: {}, answer: {model: string, message: string}}} checkDevice  the version of the model on this
 *   device; empty where it cannot be loaded, and `message` says why
 * @property {{fields: {}, answer: Health}} checkService  asks the service, if it may be asked
 * @property {{fields: {}, answer: Health}} findLocalService  asks whether a service answers on this computer
 * @property {{fields: {server: string, api_key: string}, answer: Health}} testService  asks another one, with this key
 * @property {{fields: {changes: Partial<Settings>}, answer: Settings}} changeSettings
 * @property {{fields: {}, answer: {waiting: number}}} flushOutbox  send what waits, now
 * @property {{fields: {location: DataLocation}, answer: {data: unknown} | {failed: string}}} exportData
 * @property {{fields: {location: DataLocation}, answer: {settings: Settings} | {failed: string}}} eraseData
 */

/** @typedef {"here" | "service"} DataLocation  data in this browser, or at the service about this install */

export {};
