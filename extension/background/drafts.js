/** Knows which draft is written in which tab, what became of its items, and when it was posted. */

import { browser } from "../browser.js";
import { POSTING, TOLD } from "../content/kept.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";
import { alone } from "./storage.js";
import * as tally from "./tally.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/** @typedef {import("../messages.js").ItemLife} ItemLife */
/** @typedef {import("../messages.js").Draft} Draft */
/** @typedef {import("../content/kept.js").Posting} Posting */

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
  return alone(async () => {
    // What the page told just before it was reloaded belongs to the draft's items.
    await collect();
    const [drafts, tabs] = [await remembered(), await tabsDrafts()];
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
  return alone(async () => {
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
 * @param {Record<string, ItemEvent>} [unsaved]  what a page could not put on disk, by the key it would have
 * @returns {Promise<void>}
 */
export const take = (unsaved) => alone(() => collect(unsaved));

/** The same, to be called inside `alone`. @param {Record<string, ItemEvent>} [unsaved] */
async function collect(unsaved = {}) {
  const stored = await browser.storage.local.get(null);
  const onDisk = Object.keys(stored).filter((key) => key.startsWith(TOLD));
  const told = { ...stored, ...unsaved };
  const keys = Object.keys(told).filter((key) => key.startsWith(TOLD)).sort();
  const events = keys.map((key) => /** @type {ItemEvent} */ (told[key]));
  if (events.length > 0 && settings.mayCount(settings.sound(stored["settings"]))) await keep(events);
  const stale = Object.keys(stored).filter((key) => key.startsWith(POSTING) && !isPending(stored[key]));
  // Last: if we die before, they are found again, and known by their ids.
  if (onDisk.length + stale.length > 0) await browser.storage.local.remove([...onDisk, ...stale]);
}

/**
 * Puts events into the outbox and into their draft's memory, both or neither, each once. To be called inside
 * `alone`.
 *
 * @param {ItemEvent[]} events
 */
async function keep(events) {
  const [box, drafts] = [await outbox.read(), await remembered()];
  const fresh = outbox.unknownOf(box, events);
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
  return alone(async () => {
    const draft_id = (await tabsDrafts())[tab];
    if (draft_id !== undefined) await browser.storage.local.remove(POSTING + draft_id);
  });
}

/**
 * A tab shows a question: if one was submitted there just before, this is it, and its draft is at its end.
 *
 * @param {number} tab
 * @param {string} site
 * @param {number | null} question_id  null: staged, so not a question yet
 * @returns {Promise<boolean>} whether there may be something to send
 */
export function arrived(tab, site, question_id) {
  return alone(async () => {
    const tabs = await tabsDrafts();
    const draft_id = tabs[tab];
    if (draft_id === undefined) return false;
    const key = POSTING + draft_id;
    const posting = /** @type {Posting | undefined} */ ((await browser.storage.local.get(key))[key]);
    if (!posting) return false;
    if (posting.site === site && isPending(posting)) {
      await collect();
      await keepPosted(draft_id, posting, question_id);
      delete tabs[tab];
      await browser.storage.session.set({ tabs });
    }
    await browser.storage.local.remove(key);
    return true;
  });
}

/** Whether a submitted question may still become one. @param {any} posting */
const isPending = ({ submitted }) => Date.now() - Date.parse(submitted) < PENDING_MS;

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

/** The tab's draft is no more: thrown away by the writer, or the tab is closed. @param {number} tab */
export function leave(tab) {
  return alone(async () => {
    const tabs = await tabsDrafts();
    const draft_id = tabs[tab];
    if (draft_id === undefined) return;
    delete tabs[tab];
    await browser.storage.local.remove(POSTING + draft_id);
    await browser.storage.session.set({ tabs });
  });
}

/** The browser gave a tab another number. @param {number} after @param {number} before */
export function renumber(after, before) {
  return alone(async () => {
    const { [before]: draft_id, ...tabs } = await tabsDrafts();
    if (draft_id !== undefined) await browser.storage.session.set({ tabs: { ...tabs, [after]: draft_id } });
  });
}

/** The writer's own acceptance so far. @returns {Promise<import("../messages.js").Tally>} */
export async function tallied() {
  const { tally: sum } = await browser.storage.local.get("tally");
  return { ...tally.EMPTY, .../** @type {object} */ (sum ?? {}) };
}

/** Forgets every draft, what pages told of them, and the tally. To be called inside `alone`. */
export async function forgetAll() {
  const keys = Object.keys(await browser.storage.local.get(null));
  const told = keys.filter((key) => key.startsWith(TOLD) || key.startsWith(POSTING));
  await browser.storage.local.remove(["drafts", "tally", ...told]);
  await browser.storage.session.remove("tabs");
}

/** Drafts of the last seven days, the newest hundred. @returns {Promise<Record<string, DraftRecord>>} */
async function remembered() {
  const { drafts } = await browser.storage.local.get("drafts");
  const known = /** @type {[string, DraftRecord][]} */ (Object.entries(drafts ?? {}));
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

/** @param {string} title @returns {Promise<string>} SHA-256 of the title without case and outer space, hex */
async function hash(title) {
  const bytes = new TextEncoder().encode(title.trim().toLowerCase());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
