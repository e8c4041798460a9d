/** Asks the service for tags, one request a tab: a newer state of the draft ends the request for the one before. */

import * as api from "./api.js";
import * as drafts from "./drafts.js";
import { inBackground, messageOf } from "./faults.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";

/** @typedef {import("../messages.js").Answer} Answer */
/** @typedef {import("../messages.js").Draft} Draft */

/** However long the service wants to be left alone: a writer does not wait longer. */
const LONGEST_WAIT_MS = 60 * 60_000;

/** Requests on their way, by tab: each dies with its fetch, so a worker's memory is the right place. */
/** @type {Map<number, AbortController>} */
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
  asking.get(tab)?.abort();
  const request = new AbortController();
  asking.set(tab, request);
  try {
    const current = await settings.read();
    if (!settings.mayAsk(current, site)) return { state: "off" };
    if (request.signal.aborted) return { state: "overtaken" };
    // While the service answers: the writer does not wait for our disk.
    inBackground(drafts.touch(draft_id, draft.title));
    const { suggestion_id, items, known } = await api.suggest(current, draft_id, draft, request.signal);
    if (!known) return { state: "off" };
    if (suggestion_id !== null && !recorded.has(draft_id)) {
      await drafts.recorded(draft_id);
      recorded.add(draft_id);
    }
    inBackground(outbox.serviceAnswers());
    return { state: "answered", suggestion_id, items };
  } catch (error) {
    if (request.signal.aborted) return { state: "overtaken" };
    const wait = (error instanceof api.ServiceError && error.retryAfterMs) || 0;
    return { state: "away", message: messageOf(error), wait_ms: Math.min(wait, LONGEST_WAIT_MS) };
  } finally {
    if (asking.get(tab) === request) asking.delete(tab);
  }
}

/** Ends every request that is on its way. */
export function stop() {
  for (const request of asking.values()) request.abort();
}
