/** Checks the service's answers: whatever does not follow the contract is rejected, whoever sent it. */

/** @typedef {import("../shared/protocol.js").Health} Health */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */

const MAX_ITEMS = 20;
const MAX_REASONS = 20;
const MAX_REASON_LENGTH = 100;
const MAX_NAME_LENGTH = 100;
const MAX_NOTICE_LENGTH = 1000;
const TAG = /^[a-z0-9.+#-]{1,35}$/;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * Return the checked answer to a draft, or null if it is not one.
 *
 * @param {any} response
 * @returns {{suggestion_id: string | null, items: SuggestedTag[], siteKnown: boolean} | null} siteKnown: the model
 *   knows the site
 */
export function parseSuggestions(response) {
  const { suggestion_id, items, notice = null } = response ?? {};
  if (!(suggestion_id === null || isUuid(suggestion_id))) return null;
  if (!(notice === null || isText(notice, MAX_NOTICE_LENGTH))) return null;
  if (!Array.isArray(items) || items.length > MAX_ITEMS || !items.every(isSuggestedTag)) return null;
  if (new Set(items.map(({ tag }) => tag)).size < items.length) return null;
  return { suggestion_id, items: items.map(pickKnownFields), siteKnown: notice === null };
}

/**
 * Whether the answer accounts for every event that was sent, each as new, known, or refused for good.
 *
 * @param {any} response
 * @param {{id?: string}[]} events
 */
export function accountsForEvents(response, events) {
  const { new: added, known, refused } = response ?? {};
  if (!isCount(added) || !isCount(known) || !Array.isArray(refused)) return false;
  const sentIds = new Set(events.map(({ id }) => id));
  const refusedIds = new Set(refused.map((entry) => entry?.id));
  if (refusedIds.size < refused.length || [...refusedIds].some((id) => !sentIds.has(id))) return false;
  return added + known + refusedIds.size === events.length;
}

/**
 * Return the state of a ready service, or null if the answer is not that of one.
 *
 * @param {any} response
 * @returns {{model: string, database: Health["database"]} | null}
 */
export function parseHealth(response) {
  const { model, database } = response ?? {};
  return isText(model, MAX_NAME_LENGTH) && ["present", "away"].includes(database) ? { model, database } : null;
}

/** Whether it is the answer to a batch without drafts. @param {any} response */
export const isEmptyBatch = (response) => Array.isArray(response?.answers) && response.answers.length === 0;

/** @param {any} item @returns {item is SuggestedTag} */
const isSuggestedTag = (item) =>
  isTag(item?.tag) &&
  isProbability(item.score) &&
  typeof item.confident === "boolean" &&
  isCount(item.uses) &&
  Array.isArray(item.because) &&
  item.because.length <= MAX_REASONS &&
  item.because.every((/** @type {unknown} */ reason) => isText(reason, MAX_REASON_LENGTH));

/**
 * Drop the fields that a newer service may add: nothing unchecked is passed on.
 *
 * @param {SuggestedTag} item
 * @returns {SuggestedTag}
 */
const pickKnownFields = ({ tag, score, confident, uses, because }) => ({ tag, score, confident, uses, because });

/** @param {unknown} value @returns {value is string} */
export const isTag = (value) => typeof value === "string" && TAG.test(value);

/** @param {unknown} value @returns {value is string} */
export const isUuid = (value) => typeof value === "string" && UUID.test(value);

/** @param {unknown} value @param {number} maxLength @returns {value is string} */
const isText = (value, maxLength) => typeof value === "string" && value !== "" && value.length <= maxLength;

/** @param {unknown} value */
const isCount = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** @param {unknown} value */
const isProbability = (value) => typeof value === "number" && value >= 0 && value <= 1;
