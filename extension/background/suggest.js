/** Suggests tags, from where the writer wants them. A slow answer is waited for while the next request runs. */

import { usesDevice, usesService } from "../shared/sources.js";
import { suggestOnDevice } from "./device-suggestions.js";
import { isServiceAway, suggestByService } from "./service-suggestions.js";
import { maySuggest, readSettings } from "./settings.js";
import { abortOlderRequests, endRequest, startRequest } from "./tab-requests.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */

/**
 * Return the tags for one state of a draft, or why there are none.
 *
 * @param {string} draftId
 * @param {Draft} draft
 * @param {number} tab
 * @returns {Promise<SuggestResult>}
 */
export async function suggest(draftId, draft, tab) {
  const request = startRequest(tab);
  try {
    const settings = await readSettings();
    if (!maySuggest(settings, draft.site)) return { state: "off" };
    if (request.signal.aborted) return { state: "superseded" };
    const answer = await suggestFromSource(settings, draftId, draft, request.signal);
    if (request.signal.aborted) return { state: "superseded" };
    if (answer.state !== "away") abortOlderRequests(tab, request);
    return answer;
  } finally {
    endRequest(tab, request);
  }
}

/**
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 * @param {AbortSignal} signal
 * @returns {Promise<SuggestResult>}
 */
async function suggestFromSource(settings, draftId, draft, signal) {
  if (!usesService(settings)) return suggestOnDevice(draftId, draft);
  if (!usesDevice(settings)) return suggestByService(settings, draftId, draft, signal);
  if (isServiceAway(settings)) {
    const answer = await suggestOnDevice(draftId, draft);
    if (answer.state === "answered") return answer;
  }
  const answer = await suggestByService(settings, draftId, draft, signal);
  if (answer.state !== "away" || signal.aborted) return answer;
  const ownAnswer = await suggestOnDevice(draftId, draft);
  return ownAnswer.state === "answered" ? ownAnswer : answer;
}
