/** Asks the service for tags. A slow answer is waited for while the next request runs; a superseded one is not. */

import { runInBackground, userMessage } from "../shared/errors.js";
import { fetchSuggestions, ServiceError } from "./api.js";
import { markRecorded, updateTitle } from "./drafts.js";
import { resumeSending } from "./outbox.js";
import { maySuggest, readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */

/** The longest wait that the service can ask for: a writer does not wait longer. */
const MAX_WAIT_MS = 60 * 60_000;
/** Per tab: our content script sends no more at once, and no other script may keep the service busy. */
const MAX_CONCURRENT = 2;
/** Statuses that are about the request itself: the same request would get the same answer again. */
const FINAL_STATUSES = [400, 401, 403, 413, 415, 422];

/**
 * Running requests by tab, oldest first. Each dies with its fetch, so they are kept in the worker's memory only.
 *
 * @type {Map<number, AbortController[]>}
 */
const running = new Map();

/** Drafts stored as recorded: each later answer saves a look at the disk. @type {Set<string>} */
const recordedDrafts = new Set();

/**
 * Return the tags for one state of a draft, or why there are none.
 *
 * @param {string} draftId
 * @param {Draft} draft
 * @param {number} tab
 * @param {string} site
 * @returns {Promise<SuggestResult>}
 */
export async function suggest(draftId, draft, tab, site) {
  const request = startRequest(tab);
  try {
    const settings = await readSettings();
    if (!maySuggest(settings, site)) return { state: "off" };
    if (request.signal.aborted) return { state: "superseded" };
    // While the service answers: the writer does not wait for our disk.
    runInBackground(updateTitle(draftId, draft.title));
    const { suggestion_id, items, siteKnown } = await fetchSuggestions(settings, draftId, draft, request.signal);
    abortOlderRequests(tab, request);
    if (!siteKnown) return { state: "off" };
    if (suggestion_id !== null && !recordedDrafts.has(draftId)) {
      await markRecorded(draftId);
      recordedDrafts.add(draftId);
    }
    runInBackground(resumeSending());
    return { state: "answered", suggestion_id, items };
  } catch (error) {
    if (request.signal.aborted) return { state: "superseded" };
    return failureResult(error);
  } finally {
    const others = runningRequests(tab).filter((other) => other !== request);
    if (others.length > 0) running.set(tab, others);
    else running.delete(tab);
  }
}

/** @param {number} tab */
const runningRequests = (tab) => running.get(tab) ?? [];

/** @param {number} tab @returns {AbortController} */
function startRequest(tab) {
  const request = new AbortController();
  const requests = [...runningRequests(tab), request];
  for (const old of requests.slice(0, -MAX_CONCURRENT)) old.abort();
  running.set(tab, requests.slice(-MAX_CONCURRENT));
  return request;
}

/**
 * Abort requests for older states of the draft, as a newer one was answered.
 *
 * @param {number} tab
 * @param {AbortController} request
 */
function abortOlderRequests(tab, request) {
  const requests = runningRequests(tab);
  for (const old of requests.slice(0, requests.indexOf(request))) old.abort();
}

/** @param {unknown} error @returns {SuggestResult} */
function failureResult(error) {
  const { status, retryAfterMs } = error instanceof ServiceError ? error : { status: 0, retryAfterMs: null };
  const wait_ms = Math.min(retryAfterMs ?? 0, MAX_WAIT_MS);
  return { state: "away", message: userMessage(error), wait_ms, retryable: !FINAL_STATUSES.includes(status) };
}

/** Abort every running request. */
export function abortAllRequests() {
  for (const request of [...running.values()].flat()) request.abort();
}
