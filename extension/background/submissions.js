/** Follows a submitted question until it is seen posted, and records that. */

import { browser } from "../shared/browser.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";
import { readDrafts, readStats, readTabDrafts, writeTabDrafts } from "./draft-store.js";
import { withStorageLock } from "./lock.js";
import { appendEvents, readOutbox, storeWithEviction } from "./outbox.js";
import { collectWithLock, parsePendingSubmission } from "./page-events.js";
import { mayCount, mayNote, readSettings } from "./settings.js";
import { addPostedDraft } from "./stats.js";

/** @typedef {import("../shared/protocol.js").PostedEvent} PostedEvent */
/** @typedef {import("../shared/storage-keys.js").Submission} Submission */

/** Forget what a tab submitted: it opened an ask page again, so the question was not posted. @param {number} tab */
export function withdrawSubmission(tab) {
  return withStorageLock(async () => {
    const draftId = (await readTabDrafts())[tab];
    if (draftId !== undefined) await browser.storage.local.remove(SUBMISSION_PREFIX + draftId);
  });
}

/**
 * Record the submitted question as posted and end its draft, if the page that the tab came from is the one it was
 * submitted on.
 *
 * @param {number} tab  where a question was opened
 * @param {string} site
 * @param {{question_id: number | null, from: string}} opened
 * @returns {Promise<boolean>} whether there may be something to send
 */
export function handleQuestionOpened(tab, site, { question_id, from }) {
  return withStorageLock(async () => {
    const tabs = await readTabDrafts();
    const draftId = tabs[tab];
    if (draftId === undefined) return false;
    const key = SUBMISSION_PREFIX + draftId;
    const stored = (await browser.storage.local.get(key))[key];
    if (stored === undefined) return false;
    const submission = parsePendingSubmission(stored);
    // The address that a form is sent to lies below that of its page.
    if (submission?.site === site && (from === submission.from || from.startsWith(`${submission.from}/`))) {
      await collectWithLock();
      await storePosted(draftId, submission, question_id);
      delete tabs[tab];
      await writeTabDrafts(tabs);
    }
    await browser.storage.local.remove(key);
    return true;
  });
}

/**
 * Note that a draft was posted, if an answer to it is recorded, and delete the draft's record: in the outbox, where
 * that counts, and in the stats. Call inside `withStorageLock`.
 *
 * @param {string} draftId
 * @param {Submission} submission
 * @param {number | null} question_id
 */
async function storePosted(draftId, { submitted, tags, site }, question_id) {
  const drafts = await readDrafts();
  const draft = drafts[draftId];
  // Without a record, this was done before: the worker died since, and the message came again.
  const settings = await readSettings();
  if (!draft?.recorded || !mayNote(settings)) return;
  delete drafts[draftId];
  /** @type {PostedEvent} */
  const event = {
    id: crypto.randomUUID(),
    occurred_at: submitted,
    kind: "posted",
    draft_id: draftId,
    tags,
    site,
    question_id,
    // Known by answers of this device, it may come to the service before them.
    ...(draft.device_answer && { origin: "device" }),
  };
  const before = await readStats();
  const stats = draft.kind === "ask" ? addPostedDraft(before, draft.items, tags) : before;
  const outbox = mayCount(settings) ? { outbox: appendEvents(await readOutbox(), [event]) } : {};
  await storeWithEviction({ drafts, tally: stats, ...outbox });
}
