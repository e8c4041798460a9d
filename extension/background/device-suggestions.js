/** Suggests tags with the model on this device, and records its answers. Nothing is sent for it. */

import { browser } from "../shared/browser.js";
import { runInBackground, userMessage } from "../shared/errors.js";
import { loadDeviceModel } from "./device-model.js";
import { recordDeviceAnswer } from "./drafts.js";
import { hashText } from "./hashes.js";
import { sendEventsLater } from "./outbox.js";
import { mayCount, mayNote, readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").SuggestedEvent} SuggestedEvent */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */

/** As many as the service suggests. */
const MAX_TAGS = 5;

/**
 * Return this device's tags for one state of a draft, or why there are none.
 *
 * @param {string} draftId
 * @param {Draft} draft
 * @returns {Promise<SuggestResult>}
 */
export async function suggestOnDevice(draftId, draft) {
  const begun = performance.now();
  try {
    const model = await loadDeviceModel();
    if (!model.sites.includes(draft.site)) return { state: "off" };
    const items = model.suggest({ ...draft, limit: MAX_TAGS });
    const latency_ms = performance.now() - begun;
    const suggestion_id = await record(draftId, draft, { items, version: model.version, latency_ms });
    return { state: "answered", origin: "device", suggestion_id, items };
  } catch (error) {
    console.error(error);
    return { state: "away", message: userMessage(error), wait_ms: 0, retryable: false };
  }
}

/**
 * Record an answer before it is shown, so that a worker that dies then has lost nothing.
 *
 * @param {string} draftId
 * @param {Draft} draft
 * @param {{items: SuggestedTag[], version: string, latency_ms: number}} answer
 * @returns {Promise<string | null>} the suggestion's id; null: it is not recorded
 */
async function record(draftId, draft, { items, version, latency_ms }) {
  const settings = await readSettings();
  if (!mayNote(settings)) return null;
  const { kind, site, page, title, body, chosen_tags } = draft;
  /** @type {Omit<SuggestedEvent, "suggestion_id">} */
  const event = {
    id: crypto.randomUUID(),
    occurred_at: new Date().toISOString(),
    kind: "suggested",
    draft_id: draftId,
    draft_kind: kind,
    site,
    page,
    extension_version: browser.runtime.getManifest().version,
    model_version: version,
    tags: items.map(({ tag }) => tag),
    scores: items.map(({ score }) => score),
    confident: items.filter(({ confident }) => confident).length,
    title_chars: Array.from(title).length,
    body_chars: Array.from(body).length,
    latency_ms,
    order: "model",
    chosen_tags,
  };
  const state = await hashText(JSON.stringify([version, draft]));
  const suggestionId = await recordDeviceAnswer(draftId, title, state, event);
  if (mayCount(settings)) runInBackground(sendEventsLater());
  return suggestionId;
}
