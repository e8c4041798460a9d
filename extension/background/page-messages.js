/**
 * Checks what content scripts send and store. They live in the pages' processes, so nothing from there is trusted
 * unchecked.
 */

import { EVENT_PREFIX } from "../shared/storage-keys.js";
import { isTag, isUuid } from "./api-responses.js";

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").Messages} Messages */
/** @typedef {import("../shared/storage-keys.js").Submission} Submission */

const MAX_TITLE_LENGTH = 300;
const MAX_BODY_LENGTH = 50_000;
const MAX_NAME_LENGTH = 100;
const MAX_PATH_LENGTH = 500;
const MAX_TAGS = 20;
const MAX_EVENTS = 1000;
const MAX_POSITION = 100;
const ACTIONS = ["accepted", "removed", "dismissed", "restored"];

/**
 * Checks of the messages that a content script may send. All others come from the extension's own pages only: a web
 * page's process must not change consents, or learn where drafts go.
 *
 * @type {{[K in keyof Messages]?: (message: any) => boolean}}
 */
const CHECKS = {
  getPageSettings: ({ entered }) => typeof entered === "boolean",
  openDraft: ({ title, kind, reloaded }) =>
    isText(title, MAX_TITLE_LENGTH) && isDraftKind(kind) && typeof reloaded === "boolean",
  wake: () => true,
  suggest: ({ draft_id, draft }) => isUuid(draft_id) && isDraft(draft),
  eventsStored: ({ unsaved }) => unsaved === undefined || isUnsavedEvents(unsaved),
  questionOpened: ({ question_id, from }) =>
    (question_id === null || isPositiveInteger(question_id)) && isText(from, MAX_PATH_LENGTH),
  draftDiscarded: () => true,
  setTagBlocked: ({ tag, blocked }) => isTag(tag) && typeof blocked === "boolean",
};

/** @param {any} message */
export const mayComeFromPage = (message) =>
  Object.hasOwn(CHECKS, message.type) && CHECKS[/** @type {keyof Messages} */ (message.type)]?.(message) === true;

/**
 * Return an event as a page stored it, without unknown fields.
 *
 * @param {any} value
 * @returns {ItemEvent | null} null: not an event
 */
export function parseEvent(value) {
  const { id, occurred_at, kind, draft_id, suggestion_id, origin, tag, position } = value ?? {};
  if (![id, draft_id, suggestion_id].every(isUuid) || !isDate(occurred_at) || !isTag(tag)) return null;
  /** @type {ItemEvent} */
  const event = { id, occurred_at, kind, draft_id, suggestion_id, ...(origin === "device" && { origin }), tag };
  if (kind === "viewed") return isPositiveInteger(position) && position <= MAX_POSITION ? { ...event, position } : null;
  return ACTIONS.includes(kind) ? event : null;
}

/**
 * Return a submitted question as a page stored it, without unknown fields.
 *
 * @param {any} value
 * @returns {Submission | null} null: not one
 */
export function parseSubmission(value) {
  const { submitted, tags, site, from } = value ?? {};
  if (!isDate(submitted) || !isTags(tags)) return null;
  if (!isText(site, MAX_NAME_LENGTH) || !isText(from, MAX_PATH_LENGTH)) return null;
  return { submitted, tags, site, from };
}

/** @param {any} draft */
const isDraft = (draft) =>
  isDraftKind(draft?.kind) &&
  isText(draft.page, MAX_NAME_LENGTH) &&
  isText(draft.title, MAX_TITLE_LENGTH) &&
  isText(draft.body, MAX_BODY_LENGTH) &&
  ["markdown", "html", "text"].includes(draft.body_format) &&
  isTags(draft.chosen_tags);

/** @param {unknown} unsaved */
const isUnsavedEvents = (unsaved) =>
  typeof unsaved === "object" &&
  unsaved !== null &&
  Object.keys(unsaved).length <= MAX_EVENTS &&
  Object.keys(unsaved).every((key) => key.startsWith(EVENT_PREFIX) && key.length <= MAX_NAME_LENGTH);

/** @param {unknown} tags */
const isTags = (tags) => Array.isArray(tags) && tags.length <= MAX_TAGS && tags.every(isTag);

/** @param {unknown} kind */
const isDraftKind = (kind) => kind === "ask" || kind === "edit";

/** @param {unknown} value @param {number} maxLength @returns {value is string} */
const isText = (value, maxLength) => typeof value === "string" && value.length <= maxLength;

/** @param {unknown} value @returns {value is number} */
const isPositiveInteger = (value) => typeof value === "number" && Number.isSafeInteger(value) && value > 0;

/** @param {unknown} value */
const isDate = (value) =>
  typeof value === "string" && value.length <= MAX_NAME_LENGTH && !Number.isNaN(Date.parse(value));
