/** Knows which draft is written in which tab, what became of its items, and when it was posted. */

import { browser } from "../browser.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";
import { alone } from "./storage.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/** @typedef {import("../messages.js").ItemLife} ItemLife */

/**
 * @typedef {object} DraftRecord  what is remembered of a draft; never its text
 * @property {string} title_hash  of its title as last seen: finds a draft that the page restores later
 * @property {number} touched  ms since the epoch
 * @property {boolean} recorded  the service holds at least one suggestion of it
 * @property {Record<string, ItemLife>} items  by tag
 */

/** @typedef {{event: outbox.PostedEvent, submitted: number}} Pending  submitted, not yet seen posted */

const REMEMBERED_MS = 7 * 24 * 60 * 60_000;
const REMEMBERED = 100;
const PENDING_MS = 10 * 60_000;

/**
 * The draft of a tab: the one it had before a reload, one with the same title that no other tab holds, or a
 * new one.
 *
 * @param {number} tab
 * @param {string} title
 * @param {boolean} reloaded  the page was reloaded or come back to, not opened anew
 * @returns {Promise<{draft_id: string, items: Record<string, ItemLife>}>}
 */
export async function open(tab, title, reloaded) {
  const title_hash = await hash(title);
  return alone(async () => {
    const [drafts, tabs] = [await remembered(), await ofSession("tabs")];
    const own = /** @type {string | undefined} */ (tabs[tab]);
    const held = new Set(Object.entries(tabs).filter(([other]) => Number(other) !== tab).map(([, id]) => id));
    const same = Object.keys(drafts).find((id) => drafts[id]?.title_hash === title_hash && !held.has(id));
    const draft_id = (reloaded ? own : undefined) ?? same ?? crypto.randomUUID();
    const draft = drafts[draft_id] ?? { title_hash, touched: 0, recorded: false, items: {} };
    drafts[draft_id] = { ...draft, title_hash, touched: Date.now() };
    await browser.storage.local.set({ drafts });
    await browser.storage.session.set({ tabs: { ...tabs, [tab]: draft_id } });
    return { draft_id, items: draft.items };
  });
}

/**
 * Remembers the title a draft has now, and whether the service recorded a suggestion of it.
 *
 * @param {string} draft_id
 * @param {string} title
 * @param {boolean} recorded
 */
export async function touch(draft_id, title, recorded) {
  const title_hash = await hash(title);
  await alone(async () => {
    const drafts = await remembered();
    const draft = drafts[draft_id];
    if (!draft) return;
    drafts[draft_id] = { ...draft, title_hash, touched: Date.now(), recorded: draft.recorded || recorded };
    await browser.storage.local.set({ drafts });
  });
}

/**
 * Puts events into the outbox and into their draft's memory, both or neither.
 *
 * @param {ItemEvent[]} events
 * @returns {Promise<boolean>} whether there is something to send
 */
export function record(events) {
  return alone(async () => {
    if (!settings.mayCount(await settings.read())) return false;
    const drafts = await remembered();
    for (const event of events) {
      const draft = drafts[event.draft_id];
      if (draft) draft.items[event.tag] = lifeAfter(draft.items[event.tag], event);
    }
    await browser.storage.local.set({ drafts, outbox: outbox.withEvents(await outbox.read(), events) });
    return true;
  });
}

/**
 * @param {ItemLife | undefined} life
 * @param {ItemEvent} event
 * @returns {ItemLife}
 */
function lifeAfter(life, { kind, suggestion_id }) {
  const next = { suggestion_id, accepted: false, dismissed: false, ...life };
  if (kind === "accepted" || kind === "removed") next.accepted = kind === "accepted";
  if (kind === "dismissed" || kind === "restored") next.dismissed = kind === "dismissed";
  return next;
}

/**
 * Notes that a tab's question was submitted; it counts once the tab shows the question.
 *
 * @param {number} tab
 * @param {{draft_id: string, tags: string[], site: string}} snapshot
 */
export function posting(tab, snapshot) {
  return alone(async () => {
    const event = {
      id: crypto.randomUUID(),
      occurred_at: new Date().toISOString(),
      kind: /** @type {const} */ ("posted"),
      ...snapshot,
      question_id: null,
    };
    const pending = { ...(await ofSession("pending")), [tab]: { event, submitted: Date.now() } };
    await browser.storage.session.set({ pending });
  });
}

/** The page kept the writer after all. @param {number} tab */
export function withdraw(tab) {
  return alone(async () => {
    const pending = await ofSession("pending");
    if (!(tab in pending)) return;
    delete pending[tab];
    await browser.storage.session.set({ pending });
  });
}

/**
 * A tab shows a question: if one was submitted there just before, this is it, and its draft is at its end.
 *
 * @param {number} tab
 * @param {string} site
 * @param {number | null} question_id  null: staged, so not a question yet
 * @returns {Promise<boolean>} whether there is something to send
 */
export function arrived(tab, site, question_id) {
  return alone(async () => {
    const [pending, tabs] = [await ofSession("pending"), await ofSession("tabs")];
    const own = /** @type {Pending | undefined} */ (pending[tab]);
    if (!own) return false;
    const drafts = await remembered();
    const posted = own.event.site === site && Date.now() - own.submitted < PENDING_MS;
    const counts =
      posted && drafts[own.event.draft_id]?.recorded === true && settings.mayCount(await settings.read());
    if (counts) {
      delete drafts[own.event.draft_id];
      const events = [{ ...own.event, question_id }];
      await browser.storage.local.set({ drafts, outbox: outbox.withEvents(await outbox.read(), events) });
    }
    delete pending[tab];
    if (posted) delete tabs[tab];
    await browser.storage.session.set({ pending, tabs });
    return counts;
  });
}

/** The tab's draft is no more: thrown away by the writer, or the tab is closed. @param {number} tab */
export function leave(tab) {
  return alone(async () => {
    const [pending, tabs] = [await ofSession("pending"), await ofSession("tabs")];
    if (!(tab in pending) && !(tab in tabs)) return;
    delete pending[tab];
    delete tabs[tab];
    await browser.storage.session.set({ pending, tabs });
  });
}

/** Forgets every draft. To be called inside `alone`. */
export async function forgetAll() {
  await browser.storage.local.remove("drafts");
  await browser.storage.session.remove(["tabs", "pending"]);
}

/** Drafts of the last seven days, the newest hundred. @returns {Promise<Record<string, DraftRecord>>} */
async function remembered() {
  const { drafts } = await browser.storage.local.get("drafts");
  const known = /** @type {[string, DraftRecord][]} */ (Object.entries(drafts ?? {}));
  const recent = known.filter(([, draft]) => Date.now() - draft.touched < REMEMBERED_MS);
  return Object.fromEntries(recent.sort(([, a], [, b]) => b.touched - a.touched).slice(0, REMEMBERED));
}

/**
 * A map by tab from `storage.session`, which ends with the browser, as the numbers of tabs do.
 *
 * @param {"tabs" | "pending"} key
 * @returns {Promise<Record<string, any>>}
 */
async function ofSession(key) {
  return /** @type {Record<string, any>} */ ((await browser.storage.session.get(key))[key] ?? {});
}

/** @param {string} title @returns {Promise<string>} SHA-256 of the title without case and outer space, hex */
async function hash(title) {
  const bytes = new TextEncoder().encode(title.trim().toLowerCase());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
