/** Knows which draft is written in which tab, what became of its items, and when it was posted. */

import { browser } from "../browser.js";
import { HELD, POSTING, TOLD } from "../shared/storage-keys.js";
import { eventOf, postingOf } from "./from-pages.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";
import * as storage from "./storage.js";
import * as tally from "./tally.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/** @typedef {import("../messages.js").ItemLife} ItemLife */
/** @typedef {import("../messages.js").Draft} Draft */
/** @typedef {import("../shared/storage-keys.js").HeldBack} HeldBack */
/** @typedef {import("../shared/storage-keys.js").Posting} Posting */

/**
 * @typedef {object} DraftRecord  what is remembered of a draft; never its text
 * @property {Draft["kind"]} kind
 * @property {string} place  site, and the path of the post where one is edited
 * @property {string} title_hash  of its title as last seen: finds a draft that the page restores later
 * @property {number} touched  ms since the epoch
 * @property {boolean} recorded  the service holds at least one suggestion of it
 * @property {Record<string, ItemLife>} items  by tag
 */

const REMEMBERED_MS = 7 * 24 * 60 * 60_000;
const REMEMBERED = 100;
const PENDING_MS = 10 * 60_000;
/** Pages hold events back for seconds; in a tab out of sight, timers run once a minute. */
const HELD_LONGEST_MS = 2 * 60_000;

/**
 * The draft of a tab: the one it had before a reload, one with the same title that no other tab holds, or a
 * new one.
 *
 * @param {number} tab
 * @param {string} place  site, and the path of the post where one is edited
 * @param {{title: string, kind: Draft["kind"], reloaded: boolean}} page  reloaded: or come back to, not opened anew
 * @returns {Promise<{draft_id: string, items: Record<string, ItemLife>}>}
 */
export async function open(tab, place, { title, kind, reloaded }) {
  const title_hash = await hash(title);
  return storage.alone(async () => {
    // What the page told just before it was reloaded belongs to the draft's items.
    await collect();
    const [drafts, tabs] = [await remembered(), await openTabsDrafts()];
    const held = new Set(Object.entries(tabs).filter(([other]) => Number(other) !== tab).map(([, id]) => id));
    const fits = (/** @type {string} */ id) => drafts[id]?.kind === kind && drafts[id]?.place === place;
    const own = reloaded ? tabs[tab] : undefined;
    const same = Object.keys(drafts).find((id) => fits(id) && drafts[id]?.title_hash === title_hash && !held.has(id));
    const draft_id = (own !== undefined && fits(own) ? own : same) ?? crypto.randomUUID();
    const draft = drafts[draft_id] ?? { kind, place, recorded: false, items: {} };
    drafts[draft_id] = { ...draft, title_hash, touched: Date.now() };
    await outbox.put({ drafts });
    await browser.storage.session.set({ tabs: { ...tabs, [tab]: draft_id } });
    return { draft_id, items: draft.items };
  });
}

/**
 * Remembers the title that a draft has now.
 *
 * @param {string} draft_id
 * @param {string} title
 */
export async function touch(draft_id, title) {
  const title_hash = await hash(title);
  await change(draft_id, (draft) => ({ ...draft, title_hash, touched: Date.now() }));
}

/** The service holds a suggestion of the draft: once it is posted, that counts. @param {string} draft_id */
export const recorded = (draft_id) =>
  change(draft_id, (draft) => (draft.recorded ? draft : { ...draft, recorded: true }));

/**
 * @param {string} draft_id
 * @param {(draft: DraftRecord) => DraftRecord} next
 */
function change(draft_id, next) {
  return storage.alone(async () => {
    const drafts = await remembered();
    const draft = drafts[draft_id];
    if (!draft) return;
    drafts[draft_id] = next(draft);
    if (drafts[draft_id] !== draft) await outbox.put({ drafts });
  });
}

/**
 * Takes up what pages have told: into the outbox, and into their drafts' memory.
 *
 * @param {Record<string, unknown>} [unsaved]  what a page could not put on disk, by the key it would have
 * @param {number} [tab]  of that page
 * @param {boolean} [alone]  no page of before is there any more: what they held back is told
 * @returns {Promise<void>}
 */
export const take = (unsaved = {}, tab = -1, alone = false) =>
  storage.alone(async () => {
    const own = (await tabsDrafts())[tab];
    const told = Object.entries(unsaved).filter(([, event]) => eventOf(event)?.draft_id === own);
    await collect(Object.fromEntries(told), alone);
  });

/** The same, to be called inside `alone`. @param {Record<string, unknown>} [unsaved] @param {boolean} [alone] */
async function collect(unsaved = {}, alone = false) {
  const stored = await browser.storage.local.get(null);
  const left = Object.keys(stored).filter((key) => key.startsWith(HELD) && (alone || isLeft(stored[key])));
  const onDisk = [...Object.keys(stored).filter((key) => key.startsWith(TOLD)), ...left];
  const told = { ...stored, ...unsaved, ...Object.assign({}, ...left.map((key) => heldOf(key, stored[key]))) };
  const keys = Object.keys(told).filter((key) => key.startsWith(TOLD)).sort();
  const events = keys.map((key) => eventOf(told[key])).filter((event) => event !== null);
  if (events.length > 0 && settings.mayCount(await settings.read())) await keep(events);
  const stale = Object.keys(stored).filter((key) => key.startsWith(POSTING) && !pendingOf(stored[key]));
  // Last: if we die before, they are found again, and known by their ids.
  if (onDisk.length + stale.length > 0) await browser.storage.local.remove([...onDisk, ...stale]);
}

/** Whether a page that held this back must be gone: it waits for seconds only. @param {unknown} held */
function isLeft(held) {
  return !(Date.now() - Number(/** @type {HeldBack | undefined} */ (held)?.at) < HELD_LONGEST_MS);
}

/** What a page held back, as if it had told it after all else. @param {string} key @param {unknown} held */
function heldOf(key, held) {
  const events = /** @type {HeldBack | undefined} */ (held)?.events;
  const keyOf = (/** @type {number} */ place) => `${TOLD}${key.slice(HELD.length)}.held.${String(place).padStart(6, "0")}`;
  return Object.fromEntries((Array.isArray(events) ? events : []).map((event, place) => [keyOf(place), event]));
}

/**
 * Puts events into the outbox and into their draft's memory, both or neither, each once; none of a draft that
 * nobody knows. To be called inside `alone`.
 *
 * @param {ItemEvent[]} events
 */
async function keep(events) {
  const [box, drafts] = [await outbox.read(), await remembered()];
  const known = new Set([...Object.keys(drafts), ...Object.values(await tabsDrafts())]);
  const fresh = outbox.unknownOf(box, events.filter(({ draft_id }) => known.has(draft_id)));
  let sum = await tallied();
  for (const event of fresh) {
    const draft = drafts[event.draft_id];
    if (!draft) continue;
    const before = draft.items[event.tag];
    const after = lifeAfter(before, event);
    draft.items[event.tag] = after;
    if (draft.kind === "ask") sum = tally.withLife(sum, before, after);
  }
  await outbox.put({ drafts, tally: sum, outbox: outbox.withEvents(box, fresh) });
}

/**
 * @param {ItemLife | undefined} life
 * @param {ItemEvent} event
 * @returns {ItemLife}
 */
function lifeAfter(life, { kind, suggestion_id }) {
  const next = { suggestion_id, accepted: false, ever: false, dismissed: false, ...life };
  if (kind === "accepted" || kind === "removed") next.accepted = kind === "accepted";
  if (kind === "dismissed" || kind === "restored") next.dismissed = kind === "dismissed";
  next.ever ||= next.accepted;
  return next;
}

/** An ask page was loaded in the tab: what it submitted before did not become a question. @param {number} tab */
export function withdraw(tab) {
  return storage.alone(async () => {
    const draft_id = (await tabsDrafts())[tab];
    if (draft_id !== undefined) await browser.storage.local.remove(POSTING + draft_id);
  });
}

/**
 * A tab was led to a question: if one was submitted there just before, on the page that led there, this is it, and
 * its draft is at its end.
 *
 * @param {number} tab
 * @param {string} site
 * @param {{question_id: number | null, from: string}} arrival
 * @returns {Promise<boolean>} whether there may be something to send
 */
export function arrived(tab, site, { question_id, from }) {
  return storage.alone(async () => {
    const tabs = await tabsDrafts();
    const draft_id = tabs[tab];
    if (draft_id === undefined) return false;
    const key = POSTING + draft_id;
    const stored = (await browser.storage.local.get(key))[key];
    if (stored === undefined) return false;
    const posting = pendingOf(stored);
    // The address that a form is sent to lies below that of its page.
    if (posting?.site === site && (from === posting.from || from.startsWith(`${posting.from}/`))) {
      await collect();
      await keepPosted(draft_id, posting, question_id);
      delete tabs[tab];
      await browser.storage.session.set({ tabs });
    }
    await browser.storage.local.remove(key);
    return true;
  });
}

/** A submitted question that may still become one. @param {unknown} stored @returns {Posting | null} */
function pendingOf(stored) {
  const posting = postingOf(stored);
  return posting && Date.now() - Date.parse(posting.submitted) < PENDING_MS ? posting : null;
}

/**
 * Puts the posting into the outbox, if the service knows the draft, and ends the draft. To be called inside
 * `alone`.
 *
 * @param {string} draft_id
 * @param {Posting} posting
 * @param {number | null} question_id
 */
async function keepPosted(draft_id, { submitted, tags, site }, question_id) {
  const drafts = await remembered();
  const draft = drafts[draft_id];
  // Without it, the draft was at its end before: we died since, and are told of the same arrival again.
  if (!draft?.recorded || !settings.mayCount(await settings.read())) return;
  delete drafts[draft_id];
  /** @type {outbox.PostedEvent} */
  const event = { id: crypto.randomUUID(), occurred_at: submitted, kind: "posted", draft_id, tags, site, question_id };
  const before = await tallied();
  const sum = draft.kind === "ask" ? tally.withPosted(before, draft.items, tags) : before;
  await outbox.put({ drafts, tally: sum, outbox: outbox.withEvents(await outbox.read(), [event]) });
}

/** The tab's draft is no more: thrown away by the writer. @param {number} tab */
export function leave(tab) {
  return storage.alone(async () => {
    const tabs = await tabsDrafts();
    const draft_id = tabs[tab];
    if (draft_id === undefined) return;
    delete tabs[tab];
    await browser.storage.local.remove(POSTING + draft_id);
    await browser.storage.session.set({ tabs });
  });
}

/** Whether it is the draft that is written in the tab. @param {number} tab @param {string} draft_id */
export const isOf = async (tab, draft_id) => (await tabsDrafts())[tab] === draft_id;

/** The browser gave a tab another number. @param {number} after @param {number} before */
export function renumber(after, before) {
  return storage.alone(async () => {
    const { [before]: draft_id, ...tabs } = await tabsDrafts();
    if (draft_id !== undefined) await browser.storage.session.set({ tabs: { ...tabs, [after]: draft_id } });
  });
}

/** The writer's own acceptance so far. @returns {Promise<import("../messages.js").Tally>} */
export async function tallied() {
  const { tally: sum } = await storage.get("tally");
  return { ...tally.EMPTY, ...sum };
}

/** Forgets every draft, what pages told of them, and the tally. To be called inside `alone`. */
export async function forgetAll() {
  await forgetHandedOver();
  await storage.remove(["drafts", "tally"]);
  await browser.storage.session.remove("tabs");
}

/** Forgets what pages put on disk and is not taken up. To be called inside `alone`. */
export async function forgetHandedOver() {
  const keys = Object.keys(await browser.storage.local.get(null));
  await browser.storage.local.remove(keys.filter((key) => key.startsWith(TOLD) || key.startsWith(HELD) || key.startsWith(POSTING)));
}

/** Drafts of the last seven days, the newest hundred. @returns {Promise<Record<string, DraftRecord>>} */
async function remembered() {
  const { drafts = {} } = await storage.get("drafts");
  const known = /** @type {[string, DraftRecord][]} */ (Object.entries(drafts));
  const recent = known.filter(([, draft]) => Date.now() - draft.touched < REMEMBERED_MS);
  return Object.fromEntries(recent.sort(([, a], [, b]) => b.touched - a.touched).slice(0, REMEMBERED));
}

/**
 * Drafts by tab, from `storage.session`: it ends with the browser, as the numbers of tabs do.
 *
 * @returns {Promise<Record<string, string>>}
 */
async function tabsDrafts() {
  return /** @type {Record<string, string>} */ ((await browser.storage.session.get("tabs"))["tabs"] ?? {});
}

/**
 * The same without tabs that are closed: to hear of each one, of whatever site, would start the worker for nothing.
 *
 * @returns {Promise<Record<string, string>>}
 */
async function openTabsDrafts() {
  const open = new Set((await browser.tabs.query({})).map(({ id }) => id));
  return Object.fromEntries(Object.entries(await tabsDrafts()).filter(([tab]) => open.has(Number(tab))));
}

/** @param {string} title @returns {Promise<string>} SHA-256 of the title without case and outer space, hex */
async function hash(title) {
  const bytes = new TextEncoder().encode(title.trim().toLowerCase());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
