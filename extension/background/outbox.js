/** Keeps events on disk until the service has answered for them, and sends them, however often it takes. */

import { browser } from "../browser.js";
import * as api from "./api.js";
import * as settings from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/**
 * @typedef {{id: string, occurred_at: string, kind: "posted", draft_id: string, tags: string[],
 *   question_id: number | null, site: string}} PostedEvent
 */
/**
 * `suspect` marks an event that the service refused as malformed although it was sent alone.
 *
 * @typedef {(ItemEvent | PostedEvent) & {sequence: number, suspect?: true}} Kept
 */

/**
 * @typedef {object} Outbox
 * @property {number} sequence  the last number given out
 * @property {Kept[]} events  oldest first
 * @property {string[]} recent  ids of events that were answered for: a message repeated late adds nothing
 * @property {number} batch  how many to send at once: halved when a batch is refused, doubled when one is taken
 * @property {number} failures  in a row
 * @property {number} not_before  ms since the epoch; nothing is sent earlier
 * @property {boolean} told  the service named `not_before`: then no good sign cuts it short
 * @property {number} proven  ms since the epoch at which the service last took a batch
 * @property {number} lost  events dropped: the service refuses them as malformed, or the disk had no more room.
 *   Their numbers stay given out, so the service counts them too, as a gap
 */

const LARGEST_BATCH = 100;
const RECENT = 300;
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 60 * 60_000;
/** The longest that a service may ask for: no slip of its clock may silence us for good. */
const LONGEST_TOLD_MS = 24 * 60 * 60_000;
/** Of the events that wait, the share that goes at once where the disk has no room. */
const SPARED = 0.1;
/** So long after the service took a batch, a refusal of one event is the event's fault, not the service's. */
const PROOF_MS = 10_000;
const ALARM = "outbox";

/** @type {Readonly<Outbox>} */
const EMPTY = Object.freeze({
  sequence: 0,
  events: [],
  recent: [],
  batch: LARGEST_BATCH,
  failures: 0,
  not_before: 0,
  told: false,
  proven: 0,
  lost: 0,
});

/** @returns {Promise<Outbox>} */
export async function read() {
  const { outbox } = await storage.get("outbox");
  return { ...EMPTY, ...outbox };
}

/**
 * Writes to disk, all or nothing. Where there is no room, the oldest events go, as the last resort,
 * and are counted. To be called inside `alone`.
 *
 * @param {{outbox?: Outbox, [key: string]: unknown}} values
 * @returns {Promise<void>} throws where even an empty outbox makes no room; then nothing has changed
 */
export async function put(values) {
  try {
    await storage.set(values);
  } catch (error) {
    const outbox = values.outbox ?? (await read());
    if (outbox.events.length === 0) throw error;
    const spared = Math.ceil(outbox.events.length * SPARED);
    const rest = { ...outbox, events: outbox.events.slice(spared), lost: outbox.lost + spared };
    await put({ ...values, outbox: rest });
  }
}

/**
 * Of the events, those that the outbox neither holds nor has sent.
 *
 * @template {ItemEvent | PostedEvent} Event
 * @param {Outbox} outbox
 * @param {Event[]} events
 * @returns {Event[]}
 */
export function unknownOf(outbox, events) {
  const known = new Set([...outbox.recent, ...outbox.events.map((event) => event.id)]);
  return events.filter((event) => !known.has(event.id));
}

/**
 * Numbers new events and puts them behind the others.
 *
 * @param {Outbox} outbox
 * @param {(ItemEvent | PostedEvent)[]} fresh
 * @returns {Outbox}
 */
export function withEvents(outbox, fresh) {
  const numbered = fresh.map((event, index) => ({ ...event, sequence: outbox.sequence + 1 + index }));
  // Suspects may wait long for proof that the service is well; new events must not wait with them.
  const due = fresh.length > 0 && !outbox.told && outbox.events.every(isSuspect);
  return {
    ...outbox,
    sequence: outbox.sequence + fresh.length,
    events: [...outbox.events, ...numbered],
    not_before: due ? 0 : outbox.not_before,
  };
}

/** @param {Kept} event */
const isSuspect = (event) => event.suspect === true;

/** An outbox for a new install. @returns {Outbox} */
export const fresh = () => ({ ...EMPTY });

/** Without the events that wait: consent to send them was taken back. @param {Outbox} outbox */
export const emptied = (outbox) => ({ ...outbox, events: [] });

/** Sends soon. The alarm is set first: it wakes a worker that died with the events unsent. */
export async function sendSoon() {
  await wakeAt(Date.now() + FIRST_WAIT_MS);
  await send();
}

/** Sends at once, whatever our own back-off, as a person asked for it; a time the service named still holds. */
export async function sendNow() {
  await storage.alone(async () => {
    const outbox = await read();
    if (!outbox.told) await put({ outbox: { ...outbox, not_before: 0 } });
  });
  await send();
}

/** The service has just answered something: no need to wait out a back-off of our own. */
export async function serviceAnswers() {
  const due = await storage.alone(async () => {
    const outbox = await read();
    if (outbox.events.length === 0 || outbox.failures === 0 || outbox.told) return false;
    await put({ outbox: { ...outbox, failures: 0, not_before: 0 } });
    return true;
  });
  if (due) await send();
}

/** Sends all that is due, batch by batch; one sender at a time. */
export async function send() {
  await sending(async () => {
    while (await sendBatch());
  });
}

/**
 * Runs `work` while no batch is on its way.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export function sending(work) {
  return /** @type {Promise<T>} */ (navigator.locks.request("tagalong.sending", work));
}

/** Sends one batch. @returns {Promise<boolean>} whether to go on with the next one at once */
async function sendBatch() {
  const [current, outbox] = [await settings.read(), await read()];
  if (!settings.mayCount(current) || outbox.events.length === 0) return false;
  if (waits(outbox)) {
    await wakeAt(outbox.not_before);
    return false;
  }
  const batch = nextBatch(outbox);
  const sent = new Set(batch.map((event) => event.id));
  try {
    await api.sendEvents(current, batch.map(({ suspect, ...event }) => event));
  } catch (error) {
    if (!(error instanceof api.ServiceError)) throw error;
    const refusal = error;
    return await changeOutbox((latest) => afterRefusal(latest, sent, refusal));
  }
  return await changeOutbox((latest) => afterTaking(latest, sent));
}

/**
 * Whether it is too early to send. A wait longer than any that we choose was left behind by a clock that has
 * been set back since.
 *
 * @param {Outbox} outbox
 */
function waits({ not_before, told }) {
  const wait = not_before - Date.now();
  return wait > 0 && wait <= (told ? LONGEST_TOLD_MS : LONGEST_WAIT_MS);
}

/**
 * What goes first: events nobody complained of; when only suspects are left, one of them.
 *
 * @param {Outbox} outbox
 * @returns {Kept[]}
 */
function nextBatch({ events, batch }) {
  const clean = events.filter((event) => !isSuspect(event));
  return clean.length > 0 ? clean.slice(0, batch) : events.slice(0, 1);
}

/**
 * The outbox after the service took the events `sent`. That proves it well, so suspects get another chance:
 * what it refuses now is at fault itself.
 *
 * @param {Outbox} outbox
 * @param {Set<string>} sent
 * @returns {Outbox}
 */
function afterTaking(outbox, sent) {
  return {
    ...outbox,
    events: outbox.events.filter((event) => !sent.has(event.id)).map(({ suspect, ...event }) => event),
    recent: [...outbox.recent, ...sent].slice(-RECENT),
    batch: Math.min(outbox.batch * 2, LARGEST_BATCH),
    failures: 0,
    not_before: 0,
    told: false,
    proven: Date.now(),
  };
}

/**
 * The outbox after the service did not take the events `sent`.
 *
 * A batch that is malformed or too large is halved until the event at fault stands alone. It is dropped only
 * if the service takes others: a server that refuses everything must not empty the outbox.
 *
 * @param {Outbox} outbox
 * @param {Set<string>} sent
 * @param {api.ServiceError} error
 * @returns {Outbox}
 */
function afterRefusal(outbox, sent, error) {
  if (![400, 409, 413, 422].includes(error.status)) return waiting(outbox, error);
  if (sent.size > 1) return { ...outbox, batch: Math.ceil(sent.size / 2) };
  if (Math.abs(Date.now() - outbox.proven) < PROOF_MS) {
    const events = outbox.events.filter((event) => !sent.has(event.id));
    return { ...outbox, events, lost: outbox.lost + outbox.events.length - events.length };
  }
  /** @type {Kept[]} */
  const events = outbox.events.map((event) => (sent.has(event.id) ? { ...event, suspect: true } : event));
  return events.every(isSuspect) ? waiting({ ...outbox, events }, error) : { ...outbox, events };
}

/**
 * @param {Outbox} outbox
 * @param {api.ServiceError} error
 * @returns {Outbox}
 */
function waiting(outbox, error) {
  const told = error.retryAfterMs === null ? null : Math.min(error.retryAfterMs, LONGEST_TOLD_MS);
  const wait = Math.min(FIRST_WAIT_MS * 2 ** outbox.failures, LONGEST_WAIT_MS);
  // Jitter over half the wait: installs that lost the service together must not come back together.
  const ownWait = wait * (0.5 + Math.random() / 2);
  return {
    ...outbox,
    failures: outbox.failures + 1,
    not_before: Date.now() + (told ?? ownWait),
    told: told !== null,
  };
}

/**
 * Changes the outbox as it is now: events may have come while the batch was on its way.
 *
 * @param {(latest: Outbox) => Outbox} change
 * @returns {Promise<boolean>} whether something is due at once
 */
async function changeOutbox(change) {
  const outbox = await storage.alone(async () => {
    const next = change(await read());
    await put({ outbox: next });
    return next;
  });
  return outbox.events.length > 0;
}

/** @param {number} when  ms since the epoch */
const wakeAt = (when) => browser.alarms.create(ALARM, { when: Math.max(when, Date.now() + 1000) });

/** Whether an alarm is ours. @param {{name: string}} alarm */
export const isOurs = (alarm) => alarm.name === ALARM;
