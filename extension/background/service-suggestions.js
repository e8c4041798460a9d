/** Asks the service for tags, and remembers for a while that it failed where this device can answer instead. */

import { runInBackground, userMessage } from "../shared/errors.js";
import { usesDevice } from "../shared/sources.js";
import { fetchSuggestions, ServiceError } from "./api.js";
import { markRecorded, updateTitle } from "./drafts.js";
import { resumeSending } from "./outbox.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */

const TIMEOUT_MS = 5_000;
/** Where this device can answer, a writer need not wait longer. */
const TIMEOUT_BESIDE_DEVICE_MS = 1_500;
/** The longest wait that the service can ask for: a writer does not wait longer. */
const MAX_WAIT_MS = 60 * 60_000;
/** How long this device answers for a service that failed before it is asked again: doubled with each failure. */
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;
/** Statuses that are about the request itself: the same request would get the same answer again. */
const FINAL_STATUSES = [400, 401, 403, 413, 415, 422];

/** Failures in a row, of which service, and until when it is not asked where this device can answer. */
let failures = { server: "", count: 0, until: 0 };

/** Drafts stored as recorded: each later answer saves a look at the disk. @type {Set<string>} */
const recordedDrafts = new Set();

/**
 * Return the service's tags for one state of a draft, or why there are none.
 *
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 * @param {AbortSignal} signal  aborts when the answer is not wanted any more
 * @returns {Promise<SuggestResult>}
 */
export async function suggestByService(settings, draftId, draft, signal) {
  try {
    // While the service answers: the writer does not wait for our disk.
    runInBackground(updateTitle(draftId, draft.title));
    const timeoutMs = usesDevice(settings) ? TIMEOUT_BESIDE_DEVICE_MS : TIMEOUT_MS;
    const { suggestion_id, items, siteKnown } = await fetchSuggestions(settings, draftId, draft, signal, timeoutMs);
    markServiceReady();
    if (!siteKnown) return { state: "off" };
    if (suggestion_id !== null && !recordedDrafts.has(draftId)) {
      await markRecorded(draftId);
      recordedDrafts.add(draftId);
    }
    runInBackground(resumeSending());
    return { state: "answered", origin: "service", suggestion_id, items };
  } catch (error) {
    return signal.aborted ? { state: "superseded" } : handleFailure(error, settings);
  }
}

/** Whether the service failed just now. @param {Settings} settings */
export const isServiceAway = ({ server }) => failures.server === server && Date.now() < failures.until;

/** The service has answered: forget its failures. */
export function markServiceReady() {
  failures = { server: "", count: 0, until: 0 };
}

/** @param {unknown} error @param {Settings} settings @returns {SuggestResult} */
function handleFailure(error, { server }) {
  const { status, retryAfterMs } = error instanceof ServiceError ? error : { status: 0, retryAfterMs: null };
  const wait_ms = Math.min(retryAfterMs ?? 0, MAX_WAIT_MS);
  const before = failures.server === server ? failures.count : 0;
  const pauseMs = Math.max(wait_ms, Math.min(FIRST_PAUSE_MS * 2 ** before, MAX_PAUSE_MS));
  failures = { server, count: before + 1, until: Date.now() + pauseMs };
  return { state: "away", message: userMessage(error), wait_ms, retryable: !FINAL_STATUSES.includes(status) };
}
