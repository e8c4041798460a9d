/** Asks the service for tags: a slow answer is waited for while the next one is asked, an overtaken one is not. */

import * as api from "./api.js";
import * as drafts from "./drafts.js";
import { inBackground, messageOf } from "./faults.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";

/** @typedef {import("../messages.js").Answer} Answer */
/** @typedef {import("../messages.js").Draft} Draft */

/** However long the service wants to be left alone: a writer does not wait longer. */
const LONGEST_WAIT_MS = 60 * 60_000;
/** Of one tab, at once: the content script sends no more, and who does must not keep the service busy. */
const MOST_AT_ONCE = 2;
/** What the service says of the request itself: the same one again gets the same answer. */
const FINAL = [400, 401, 403, 413, 415, 422];

/** Requests on their way, by tab, oldest first: each dies with its fetch, so a worker's memory is the right place. */
/** @type {Map<number, AbortController[]>} */
const asking = new Map();

/** Drafts that are on disk as recorded: spares each later answer a look there. @type {Set<string>} */
const recorded = new Set();

/**
 * @param {string} draft_id
 * @param {Draft} draft
 * @param {number} tab
 * @param {string} site
 * @returns {Promise<Answer>}
 */
export async function suggest(draft_id, draft, tab, site) {
  const request = begin(tab);
  try {
    const current = await settings.read();
    if (!settings.mayAsk(current, site)) return { state: "off" };
    if (request.signal.aborted) return { state: "overtaken" };
    // While the service answers: the writer does not wait for our disk.
    inBackground(drafts.touch(draft_id, draft.title));
    const { suggestion_id, items, known } = await api.suggest(current, draft_id, draft, request.signal);
    endOlder(tab, request);
    if (!known) return { state: "off" };
    if (suggestion_id !== null && !recorded.has(draft_id)) {
      await drafts.recorded(draft_id);
      recorded.add(draft_id);
    }
    inBackground(outbox.serviceAnswers());
    return { state: "answered", suggestion_id, items };
  } catch (error) {
    if (request.signal.aborted) return { state: "overtaken" };
    return awayBecause(error);
  } finally {
    const rest = requestsOf(tab).filter((other) => other !== request);
    if (rest.length > 0) asking.set(tab, rest);
    else asking.delete(tab);
  }
}

/** @param {number} tab */
const requestsOf = (tab) => asking.get(tab) ?? [];

/** @param {number} tab @returns {AbortController} */
function begin(tab) {
  const request = new AbortController();
  const requests = [...requestsOf(tab), request];
  for (const old of requests.slice(0, -MOST_AT_ONCE)) old.abort();
  asking.set(tab, requests.slice(-MOST_AT_ONCE));
  return request;
}

/** A newer state was answered: nobody wants the answers to older ones any more. @param {number} tab @param {AbortController} request */
function endOlder(tab, request) {
  const requests = requestsOf(tab);
  for (const old of requests.slice(0, requests.indexOf(request))) old.abort();
}

/** @param {unknown} error @returns {Answer} */
function awayBecause(error) {
  const { status, retryAfterMs } = error instanceof api.ServiceError ? error : { status: 0, retryAfterMs: null };
  const wait_ms = Math.min(retryAfterMs ?? 0, LONGEST_WAIT_MS);
  return { state: "away", message: messageOf(error), wait_ms, again: !FINAL.includes(status) };
}

/** Ends every request that is on its way. */
export function stop() {
  for (const request of [...asking.values()].flat()) request.abort();
}
