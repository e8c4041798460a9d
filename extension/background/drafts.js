/** Knows which draft is written in which tab. */

import { browser } from "../shared/browser.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";
import { clearTabDrafts, readDrafts, readOpenTabDrafts, readTabDrafts, writeTabDrafts } from "./draft-store.js";
import { hashText } from "./hashes.js";
import { withStorageLock } from "./lock.js";
import { appendEvents, readOutbox, storeWithEviction } from "./outbox.js";
import { collectWithLock, deleteUncollected } from "./page-events.js";
import { mayCount, mayNote, readSettings } from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */
/** @typedef {import("../shared/protocol.js").SuggestedEvent} SuggestedEvent */
/** @typedef {import("./draft-store.js").DraftRecord} DraftRecord */

/**
 * Return the draft of a tab: the one it had before a reload, one with the same title that no other tab has, or a new
 * one.
 *
 * @param {number} tab
 * @param {string} place  site, and the path of the post where one is edited
 * @param {{title: string, kind: Draft["kind"], reloaded: boolean}} page  reloaded: or come back to, not newly opened
 * @returns {Promise<{draft_id: string, items: Record<string, ItemState>}>}
 */
export async function openDraft(tab, place, { title, kind, reloaded }) {
  const title_hash = await hashTitle(title);
  return withStorageLock(async () => {
    // What the page stored just before it was reloaded belongs to the draft's items.
    await collectWithLock();
    const [drafts, tabs] = [await readDrafts(), await readOpenTabDrafts()];
    const inOtherTabs = new Set(Object.entries(tabs).filter(([other]) => Number(other) !== tab).map(([, id]) => id));
    const fits = (/** @type {string} */ id) => drafts[id]?.kind === kind && drafts[id]?.place === place;
    const sameTitle = (/** @type {string} */ id) => drafts[id]?.title_hash === title_hash;
    const ownId = reloaded ? tabs[tab] : undefined;
    const restoredId = Object.keys(drafts).find((id) => fits(id) && sameTitle(id) && !inOtherTabs.has(id));
    const draft_id = (ownId !== undefined && fits(ownId) ? ownId : restoredId) ?? crypto.randomUUID();
    const draft = drafts[draft_id] ?? { kind, place, recorded: false, items: {} };
    drafts[draft_id] = { ...draft, title_hash, touched: Date.now() };
    await storeWithEviction({ drafts });
    await writeTabDrafts({ ...tabs, [tab]: draft_id });
    return { draft_id, items: draft.items };
  });
}

/**
 * Store the title that a draft has now.
 *
 * @param {string} draftId
 * @param {string} title
 */
export async function updateTitle(draftId, title) {
  const title_hash = await hashTitle(title);
  await changeDraft(draftId, (draft) => ({ ...draft, title_hash, touched: Date.now() }));
}

/**
 * Record an answer of the model on this device, in the outbox where it counts. The same state of the draft gets the
 * same answer: a message may arrive twice, and a page may be loaded again.
 *
 * @param {string} draftId
 * @param {string} title
 * @param {string} state  a hash of what the answer depends on
 * @param {Omit<SuggestedEvent, "suggestion_id">} event
 * @returns {Promise<string | null>} the suggestion's id; null: nothing was recorded, as the draft is deleted
 */
export async function recordDeviceAnswer(draftId, title, state, event) {
  const title_hash = await hashTitle(title);
  return withStorageLock(async () => {
    const [drafts, settings] = [await readDrafts(), await readSettings()];
    const draft = drafts[draftId];
    if (!draft || !mayNote(settings)) return null;
    const isNew = draft.device_answer?.state !== state;
    const suggestion_id = (!isNew && draft.device_answer?.suggestion_id) || crypto.randomUUID();
    const device_answer = { state, suggestion_id };
    drafts[draftId] = { ...draft, title_hash, touched: Date.now(), recorded: true, device_answer };
    const counts = isNew && mayCount(settings);
    const outbox = counts ? { outbox: appendEvents(await readOutbox(), [{ ...event, suggestion_id }]) } : {};
    await storeWithEviction({ drafts, ...outbox });
    return suggestion_id;
  });
}

/** Note that the service has recorded a suggestion for the draft, so its posting counts. @param {string} draftId */
export const markRecorded = (draftId) =>
  changeDraft(draftId, (draft) => (draft.recorded ? draft : { ...draft, recorded: true }));

/**
 * @param {string} draftId
 * @param {(draft: DraftRecord) => DraftRecord} change
 */
function changeDraft(draftId, change) {
  return withStorageLock(async () => {
    const drafts = await readDrafts();
    const draft = drafts[draftId];
    if (!draft) return;
    drafts[draftId] = change(draft);
    if (drafts[draftId] !== draft) await storeWithEviction({ drafts });
  });
}

/** End the draft of a tab, as the writer discarded it on the page. @param {number} tab */
export function discardDraft(tab) {
  return withStorageLock(async () => {
    const tabs = await readTabDrafts();
    const draftId = tabs[tab];
    if (draftId === undefined) return;
    delete tabs[tab];
    await browser.storage.local.remove(SUBMISSION_PREFIX + draftId);
    await writeTabDrafts(tabs);
  });
}

/** Whether the draft is the one that is written in the tab. @param {number} tab @param {string} draftId */
export const isDraftOfTab = async (tab, draftId) => (await readTabDrafts())[tab] === draftId;

/** Move a draft to the tab that replaced its own. @param {number} newTab @param {number} oldTab */
export function replaceTab(newTab, oldTab) {
  return withStorageLock(async () => {
    const { [oldTab]: draftId, ...tabs } = await readTabDrafts();
    if (draftId !== undefined) await writeTabDrafts({ ...tabs, [newTab]: draftId });
  });
}

/** Delete every draft, and what pages stored for it. Call inside `withStorageLock`. */
export async function deleteDrafts() {
  await deleteUncollected();
  await storage.remove(["drafts"]);
  await clearTabDrafts();
}

/** Return the hash of a title without case and outer space. @param {string} title */
const hashTitle = (title) => hashText(title.trim().toLowerCase());
