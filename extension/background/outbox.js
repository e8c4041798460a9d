/** Stores events on disk until the service has answered for them, and sends them, however often it takes. */

import { browser } from "../shared/browser.js";
import { sendEvents, ServiceError } from "./api.js";
import { withSendingLock, withStorageLock } from "./lock.js";
import { mayCount, readSettings } from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").PostedEvent} PostedEvent */
/** @typedef {import("../shared/protocol.js").SuggestedEvent} SuggestedEvent */
/** @typedef {ItemEvent | PostedEvent | SuggestedEvent} AnyEvent */
/**
 * `suspect` marks an event that the service refused as malformed although it was sent alone.
 *
 * @typedef {AnyEvent & {sequence: number, suspect?: true}} QueuedEvent
 */

/**
 * @typedef {object} Outbox
 * @property {number} sequence  the last number given to an event
 * @property {QueuedEvent[]} events  oldest first
 * @property {string[]} recent  ids of events that were answered for, or that are not to be sent: a message repeated
 *   late adds nothing
 * @property {number} batch  how many to send at once: halved when a batch is refused, doubled when one is accepted
 * @property {number} failures  in a row
 * @property {number} not_before  ms since the epoch; nothing is sent earlier
 * @property {boolean} told  the service named `not_before`, so nothing cuts the wait short
 * @property {number} proven  ms since the epoch at which the service last accepted a batch
 * @property {number} lost  events dropped: the service refuses them as malformed, or the disk had no more room.
 *   Their numbers stay used, so the service counts them too, as a gap
 */

const MAX_BATCH = 100;
const MAX_RECENT = 300;
const FIRST_WAIT_MS = 30_000;
const MAX_WAIT_MS = 60 * 60_000;
/** The longest wait that a service can ask for: its wrong clock must not silence us for good. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60_000;
/** The share of the waiting events to drop at once where the disk has no room. */
const EVICTED_SHARE = 0.1;
/** How long after an accepted batch a refused event is at fault itself; later, the service may be. */
const PROOF_MS = 10_000;
const ALARM = "outbox";

/** @type {Readonly<Outbox>} */
const EMPTY_OUTBOX = Object.freeze({
  sequence: 0,
  events: [],
  recent: [],
  batch: MAX_BATCH,
  failures: 0,
  not_before: 0,
  told: false,
  proven: 0,
  lost: 0,
});

/** Return an outbox for a new install. @returns {Outbox} */
export const newOutbox = () => ({ ...EMPTY_OUTBOX });

/** @returns {Promise<Outbox>} */
export async function readOutbox() {
  const { outbox } = await storage.get("outbox");
  return { ...EMPTY_OUTBOX, ...outbox };
}

/**
 * Store values, all of them or none. Where there is no room, the oldest events are dropped as the last resort, and
 * counted as lost. Call inside `withStorageLock`.
 *
 * @param {{outbox?: Outbox, [key: string]: unknown}} values
 * @returns {Promise<void>} throws where even an empty outbox makes no room; then nothing has changed
 */
export async function storeWithEviction(values) {
  try {
    await storage.set(values);
  } catch (error) {
    const outbox = values.outbox ?? (await readOutbox());
    if (outbox.events.length === 0) throw error;
    const evicted = Math.ceil(outbox.events.length * EVICTED_SHARE);
    const rest = { ...outbox, events: outbox.events.slice(evicted), lost: outbox.lost + evicted };
    await storeWithEviction({ ...values, outbox: rest });
  }
}

/**
 * Return the events that are neither in the outbox nor sent already.
 *
 * @template {AnyEvent} Event
 * @param {Outbox} outbox
 * @param {Event[]} events
 * @returns {Event[]}
 */
export function filterNewEvents(outbox, events) {
  const known = new Set([...outbox.recent, ...outbox.events.map((event) => event.id)]);
  return events.filter((event) => !known.has(event.id));
}

/**
 * Return the outbox with new events numbered and appended.
 *
 * @param {Outbox} outbox
 * @param {AnyEvent[]} events
 * @returns {Outbox}
 */
export function appendEvents(outbox, events) {
  const numbered = events.map((event, index) => ({ ...event, sequence: outbox.sequence + 1 + index }));
  // Suspects may wait long for proof that the service works; new events must not wait with them.
  const due = events.length > 0 && !outbox.told && outbox.events.every(isSuspect);
  return {
    ...outbox,
    sequence: outbox.sequence + events.length,
    events: [...outbox.events, ...numbered],
    not_before: due ? 0 : outbox.not_before,
  };
}

/**
 * Return the outbox with the ids of events that are not to be sent.
 *
 * @param {Outbox} outbox
 * @param {AnyEvent[]} events
 * @returns {Outbox}
 */
export const withKnownEvents = (outbox, events) => addRecent(outbox, events.map(({ id }) => id));

/** @param {Outbox} outbox @param {Iterable<string>} ids @returns {Outbox} */
const addRecent = (outbox, ids) => ({ ...outbox, recent: [...outbox.recent, ...ids].slice(-MAX_RECENT) });

/** @param {QueuedEvent} event */
const isSuspect = (event) => event.suspect === true;

/** Return the outbox without its events: consent to send them was withdrawn. @param {Outbox} outbox */
export const withoutEvents = (outbox) => ({ ...outbox, events: [] });

/** Send events that were just added. The alarm is set first: it wakes a worker that died with them unsent. */
export async function sendNewEvents() {
  await sendEventsLater();
  await sendDueEvents();
}

/** Send events that were just added once the writer pauses, with those that follow. */
export const sendEventsLater = () => setAlarm(Date.now() + FIRST_WAIT_MS);

/** Send at once, whatever our own back-off, as a person asked for it; a time that the service named still holds. */
export async function flushOutbox() {
  await withStorageLock(async () => {
    const outbox = await readOutbox();
    if (!outbox.told) await storeWithEviction({ outbox: { ...outbox, not_before: 0 } });
  });
  await sendDueEvents();
}

/** End our own back-off, as the service has just answered another request. */
export async function resumeSending() {
  const due = await withStorageLock(async () => {
    const outbox = await readOutbox();
    if (outbox.events.length === 0 || outbox.failures === 0 || outbox.told) return false;
    await storeWithEviction({ outbox: { ...outbox, failures: 0, not_before: 0 } });
    return true;
  });
  if (due) await sendDueEvents();
}

/** Send all that is due, batch by batch; one sender at a time. */
export async function sendDueEvents() {
  await withSendingLock(async () => {
    while (await sendBatch());
  });
}

/** Send one batch. @returns {Promise<boolean>} whether to go on with the next one at once */
async function sendBatch() {
  const [settings, outbox] = [await readSettings(), await readOutbox()];
  if (!mayCount(settings) || outbox.events.length === 0) return false;
  if (mustWait(outbox)) {
    await setAlarm(outbox.not_before);
    return false;
  }
  const batch = selectBatch(outbox);
  const sentIds = new Set(batch.map((event) => event.id));
  try {
    await sendEvents(settings, batch.map(({ suspect, ...event }) => event));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const failure = error;
    return await updateOutbox((latest) => afterFailure(latest, sentIds, failure));
  }
  return await updateOutbox((latest) => afterSuccess(latest, sentIds));
}

/**
 * Whether it is too early to send. A wait longer than any that we choose comes from a clock that was set back since.
 *
 * @param {Outbox} outbox
 */
function mustWait({ not_before, told }) {
  const waitMs = not_before - Date.now();
  return waitMs > 0 && waitMs <= (told ? MAX_RETRY_AFTER_MS : MAX_WAIT_MS);
}

/**
 * Return what to send next: events that were not refused; when only suspects are left, one of them.
 *
 * @param {Outbox} outbox
 * @returns {QueuedEvent[]}
 */
function selectBatch({ events, batch }) {
  const unsuspected = events.filter((event) => !isSuspect(event));
  return unsuspected.length > 0 ? unsuspected.slice(0, batch) : events.slice(0, 1);
}

/**
 * Return the outbox after the service accepted a batch. That proves that the service works, so suspects get another
 * chance: an event that is refused now is malformed itself.
 *
 * @param {Outbox} outbox
 * @param {Set<string>} sentIds
 * @returns {Outbox}
 */
function afterSuccess(outbox, sentIds) {
  return {
    ...addRecent(outbox, sentIds),
    events: outbox.events.filter((event) => !sentIds.has(event.id)).map(({ suspect, ...event }) => event),
    batch: Math.min(outbox.batch * 2, MAX_BATCH),
    failures: 0,
    not_before: 0,
    told: false,
    proven: Date.now(),
  };
}

/**
 * Return the outbox after the service did not accept a batch.
 *
 * A batch that is malformed or too large is halved until the event at fault stands alone. That one is dropped only if
 * the service accepts others: a server that refuses everything must not empty the outbox.
 *
 * @param {Outbox} outbox
 * @param {Set<string>} sentIds
 * @param {ServiceError} error
 * @returns {Outbox}
 */
function afterFailure(outbox, sentIds, error) {
  if (![400, 409, 413, 422].includes(error.status)) return backOff(outbox, error);
  if (sentIds.size > 1) return { ...outbox, batch: Math.ceil(sentIds.size / 2) };
  if (Math.abs(Date.now() - outbox.proven) < PROOF_MS) {
    const events = outbox.events.filter((event) => !sentIds.has(event.id));
    return { ...outbox, events, lost: outbox.lost + outbox.events.length - events.length };
  }
  /** @type {QueuedEvent[]} */
  const events = outbox.events.map((event) => (sentIds.has(event.id) ? { ...event, suspect: true } : event));
  return events.every(isSuspect) ? backOff({ ...outbox, events }, error) : { ...outbox, events };
}

/**
 * Return the outbox with the time of its next attempt: the one that the service named, else an exponential back-off.
 *
 * @param {Outbox} outbox
 * @param {ServiceError} error
 * @returns {Outbox}
 */
function backOff(outbox, error) {
  const retryAfterMs = error.retryAfterMs === null ? null : Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS);
  const waitMs = Math.min(FIRST_WAIT_MS * 2 ** outbox.failures, MAX_WAIT_MS);
  // Jitter over half the wait: installs that lost the service together must not come back together.
  const jitteredMs = waitMs * (0.5 + Math.random() / 2);
  return {
    ...outbox,
    failures: outbox.failures + 1,
    not_before: Date.now() + (retryAfterMs ?? jitteredMs),
    told: retryAfterMs !== null,
  };
}

/**
 * Change the outbox as it is now: events may have been added while the batch was on its way.
 *
 * @param {(latest: Outbox) => Outbox} change
 * @returns {Promise<boolean>} whether there are events left
 */
async function updateOutbox(change) {
  const outbox = await withStorageLock(async () => {
    const next = change(await readOutbox());
    await storeWithEviction({ outbox: next });
    return next;
  });
  return outbox.events.length > 0;
}

/** @param {number} when  ms since the epoch */
const setAlarm = (when) => browser.alarms.create(ALARM, { when: Math.max(when, Date.now() + 1000) });

/** @param {{name: string}} alarm */
export const isOutboxAlarm = (alarm) => alarm.name === ALARM;
