/** Moves the events that pages have stored into the outbox, and into the records of their drafts. */

import { browser } from "../shared/browser.js";
import { EVENT_PREFIX, HELD_EVENTS_PREFIX, SUBMISSION_PREFIX } from "../shared/storage-keys.js";
import { readDrafts, readStats, readTabDrafts } from "./draft-store.js";
import { withStorageLock } from "./lock.js";
import { appendEvents, filterNewEvents, readOutbox, storeWithEviction, withKnownEvents } from "./outbox.js";
import { parseEvent, parseSubmission } from "./page-messages.js";
import { mayCount, mayNote, readSettings } from "./settings.js";
import { addItemChange } from "./stats.js";

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */
/** @typedef {import("../shared/storage-keys.js").HeldEvents} HeldEvents */
/** @typedef {import("../shared/storage-keys.js").Submission} Submission */

/** Pages hold events back for seconds; in a hidden tab, timers run once a minute. */
const MAX_HELD_MS = 2 * 60_000;
const SUBMISSION_EXPIRY_MS = 10 * 60_000;

/**
 * Collect what pages have stored, and what one of them could not store.
 *
 * @param {Record<string, unknown>} [unsaved]  by the key it would have
 * @param {number} [tab]  of that page; only events of its own draft are taken
 * @returns {Promise<void>}
 */
export const collectEvents = (unsaved = {}, tab = -1) =>
  withStorageLock(async () => {
    const draftId = (await readTabDrafts())[tab];
    const own = Object.entries(unsaved).filter(([, event]) => parseEvent(event)?.draft_id === draftId);
    await collectWithLock(Object.fromEntries(own));
  });

/** Collect all that pages have stored, held events included: after a restart of the browser, no page holds them. */
export const collectLeftEvents = () => withStorageLock(() => collectWithLock({}, true));

/**
 * Collect what pages have stored, and `unsaved` events as well. Call inside `withStorageLock`.
 *
 * @param {Record<string, unknown>} [unsaved]
 * @param {boolean} [pagesGone]
 */
export async function collectWithLock(unsaved = {}, pagesGone = false) {
  const stored = await browser.storage.local.get(null);
  const storedKeys = Object.keys(stored);
  const left = storedKeys.filter((key) => key.startsWith(HELD_EVENTS_PREFIX) && (pagesGone || isLeft(stored[key])));
  const released = Object.assign({}, ...left.map((key) => releaseHeldEvents(key, stored[key])));
  const collected = { ...stored, ...unsaved, ...released };
  const keys = Object.keys(collected).filter((key) => key.startsWith(EVENT_PREFIX)).sort();
  const events = keys.map((key) => parseEvent(collected[key])).filter((event) => event !== null);
  const settings = await readSettings();
  if (events.length > 0 && mayNote(settings)) await storeEvents(events, mayCount(settings));
  const done = [...storedKeys.filter((key) => key.startsWith(EVENT_PREFIX)), ...left];
  const expired = storedKeys.filter((key) => key.startsWith(SUBMISSION_PREFIX) && !parsePendingSubmission(stored[key]));
  // Last: if the worker dies before, they are found again, and known by their ids.
  if (done.length + expired.length > 0) await browser.storage.local.remove([...done, ...expired]);
}

/** Whether the page that held these events back must be gone, as it does so for seconds only. @param {unknown} held */
function isLeft(held) {
  return !(Date.now() - Number(/** @type {HeldEvents | undefined} */ (held)?.at) < MAX_HELD_MS);
}

/**
 * Return held events under keys that sort behind all other events of their page.
 *
 * @param {string} key
 * @param {unknown} held
 */
function releaseHeldEvents(key, held) {
  const page = key.slice(HELD_EVENTS_PREFIX.length);
  const events = /** @type {HeldEvents | undefined} */ (held)?.events;
  const keyAt = (/** @type {number} */ index) => `${EVENT_PREFIX}${page}.held.${String(index).padStart(6, "0")}`;
  return Object.fromEntries((Array.isArray(events) ? events : []).map((event, index) => [keyAt(index), event]));
}

/**
 * Put events into the records of their drafts, and those that count into the outbox: both or neither, each event once.
 * Events of unknown drafts are dropped. Call inside `withStorageLock`.
 *
 * @param {ItemEvent[]} events
 * @param {boolean} count
 */
async function storeEvents(events, count) {
  const [outbox, drafts] = [await readOutbox(), await readDrafts()];
  const draftIds = new Set([...Object.keys(drafts), ...Object.values(await readTabDrafts())]);
  const newEvents = filterNewEvents(outbox, events.filter(({ draft_id }) => draftIds.has(draft_id)));
  let stats = await readStats();
  for (const event of newEvents) {
    const draft = drafts[event.draft_id];
    if (!draft) continue;
    const before = draft.items[event.tag];
    const after = applyEvent(before, event);
    draft.items[event.tag] = after;
    if (draft.kind === "ask") stats = addItemChange(stats, before, after);
  }
  const next = count ? appendEvents(outbox, newEvents) : withKnownEvents(outbox, newEvents);
  await storeWithEviction({ drafts, tally: stats, outbox: next });
}

/**
 * @param {ItemState | undefined} item  undefined: this event is the item's first
 * @param {ItemEvent} event
 * @returns {ItemState}
 */
function applyEvent(item, { kind, suggestion_id, origin = "service" }) {
  const next = { suggestion_id, origin, accepted: false, ever: false, dismissed: false, ...item };
  if (kind === "accepted" || kind === "removed") next.accepted = kind === "accepted";
  if (kind === "dismissed" || kind === "restored") next.dismissed = kind === "dismissed";
  next.ever ||= next.accepted;
  return next;
}

/** Return a submitted question that may still turn out posted. @param {unknown} stored @returns {Submission | null} */
export function parsePendingSubmission(stored) {
  const submission = parseSubmission(stored);
  return submission && Date.now() - Date.parse(submission.submitted) < SUBMISSION_EXPIRY_MS ? submission : null;
}

/** Delete what pages have stored and was not collected yet. Call inside `withStorageLock`. */
export async function deleteUncollected() {
  const prefixes = [EVENT_PREFIX, HELD_EVENTS_PREFIX, SUBMISSION_PREFIX];
  const keys = Object.keys(await browser.storage.local.get(null));
  await browser.storage.local.remove(keys.filter((key) => prefixes.some((prefix) => key.startsWith(prefix))));
}
