/** What content scripts may say. They live in the pages' processes: whatever comes from there is looked at first. */

import { TOLD } from "../shared/storage-keys.js";
import { isTag, isUuid } from "./answers.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/** @typedef {import("../messages.js").Messages} Messages */
/** @typedef {import("../shared/storage-keys.js").Posting} Posting */

const LONGEST_TITLE = 300;
const LONGEST_BODY = 50_000;
const LONGEST_NAME = 100;
const LONGEST_PATH = 500;
const MOST_TAGS = 20;
const MOST_EVENTS = 1000;
const LAST_POSITION = 100;
const ACTS = ["accepted", "removed", "dismissed", "restored"];

/**
 * Whether a message is what it is said to be. What is not here is heard from the extension's own pages only: a web
 * page's process must not change consent, or learn where drafts go.
 *
 * @type {{[K in keyof Messages]?: (said: any) => boolean}}
 */
const CHECKS = {
  hello: ({ entered }) => typeof entered === "boolean",
  open: ({ title, kind, reloaded }) => isText(title, LONGEST_TITLE) && isKind(kind) && typeof reloaded === "boolean",
  wake: () => true,
  suggest: ({ draft_id, draft }) => isUuid(draft_id) && isDraft(draft),
  told: ({ unsaved }) => unsaved === undefined || isBatch(unsaved),
  arrived: ({ question_id, from }) => (question_id === null || isNumber(question_id)) && isText(from, LONGEST_PATH),
  discarded: () => true,
  never: ({ tag, on }) => isTag(tag) && typeof on === "boolean",
};

/** @param {any} message */
export const mayComeFromPage = (message) =>
  Object.hasOwn(CHECKS, message.type) && CHECKS[/** @type {keyof Messages} */ (message.type)]?.(message) === true;

/**
 * An event as a page put it on disk, with nothing else in it.
 *
 * @param {any} value
 * @returns {ItemEvent | null} null: not an event
 */
export function eventOf(value) {
  const { id, occurred_at, kind, draft_id, suggestion_id, tag, position } = value ?? {};
  if (![id, draft_id, suggestion_id].every(isUuid) || !isMoment(occurred_at) || !isTag(tag)) return null;
  const event = { id, occurred_at, kind, draft_id, suggestion_id, tag };
  if (kind === "viewed") return isNumber(position) && position <= LAST_POSITION ? { ...event, position } : null;
  return ACTS.includes(kind) ? event : null;
}

/**
 * A question as a page put on disk that it was submitted.
 *
 * @param {any} value
 * @returns {Posting | null} null: not one
 */
export function postingOf(value) {
  const { submitted, tags, site, from } = value ?? {};
  if (!isMoment(submitted) || !isTags(tags) || !isText(site, LONGEST_NAME) || !isText(from, LONGEST_PATH)) return null;
  return { submitted, tags, site, from };
}

/** @param {any} draft */
const isDraft = (draft) =>
  isKind(draft?.kind) &&
  isText(draft.page, LONGEST_NAME) &&
  isText(draft.title, LONGEST_TITLE) &&
  isText(draft.body, LONGEST_BODY) &&
  ["markdown", "html", "text"].includes(draft.body_format) &&
  isTags(draft.chosen_tags);

/** @param {unknown} unsaved */
const isBatch = (unsaved) =>
  typeof unsaved === "object" &&
  unsaved !== null &&
  Object.keys(unsaved).length <= MOST_EVENTS &&
  Object.keys(unsaved).every((key) => key.startsWith(TOLD) && key.length <= LONGEST_NAME);

/** @param {unknown} tags */
const isTags = (tags) => Array.isArray(tags) && tags.length <= MOST_TAGS && tags.every(isTag);

/** @param {unknown} kind */
const isKind = (kind) => kind === "ask" || kind === "edit";

/** @param {unknown} value @param {number} longest @returns {value is string} */
const isText = (value, longest) => typeof value === "string" && value.length <= longest;

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => typeof value === "number" && Number.isSafeInteger(value) && value > 0;

/** @param {unknown} value */
const isMoment = (value) => typeof value === "string" && value.length <= LONGEST_NAME && !Number.isNaN(Date.parse(value));
