/** What the service may answer. Whatever else comes, from it or from who stands in its place, is not let in. */

/** @typedef {import("../messages.js").Offer} Offer */
/** @typedef {import("../messages.js").Health} Health */

const MOST_OFFERS = 20;
const MOST_REASONS = 20;
const LONGEST_REASON = 100;
const LONGEST_NAME = 100;
const LONGEST_NOTICE = 1000;
const TAG = /^[a-z0-9.+#-]{1,35}$/;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * @param {any} answer
 * @returns {{suggestion_id: string | null, items: Offer[], known: boolean} | null} known: the model knows the site;
 *   null: not an answer to a draft
 */
export function readSuggestions(answer) {
  const { suggestion_id, items, notice = null } = answer ?? {};
  if (!(suggestion_id === null || isUuid(suggestion_id))) return null;
  if (!(notice === null || isText(notice, LONGEST_NOTICE))) return null;
  if (!Array.isArray(items) || items.length > MOST_OFFERS || !items.every(isOffer)) return null;
  if (new Set(items.map(({ tag }) => tag)).size < items.length) return null;
  return { suggestion_id, items: items.map(offerOf), known: notice === null };
}

/**
 * Whether the answer accounts for every event that was sent, each as new, known, or refused for good.
 *
 * @param {any} answer
 * @param {{id?: string}[]} events
 */
export function accountsFor(answer, events) {
  const { new: taken, known, refused } = answer ?? {};
  if (!isCount(taken) || !isCount(known) || !Array.isArray(refused)) return false;
  const sent = new Set(events.map(({ id }) => id));
  const ids = new Set(refused.map((entry) => entry?.id));
  return ids.size === refused.length && [...ids].every((id) => sent.has(id)) && taken + known + ids.size === events.length;
}

/** @param {any} answer @returns {{model: string, database: Health["database"]} | null} null: not a service that is ready */
export function readHealth(answer) {
  const { model, database } = answer ?? {};
  return isText(model, LONGEST_NAME) && ["present", "away"].includes(database) ? { model, database } : null;
}

/** Whether it is the answer to a batch without drafts. @param {any} answer */
export const isEmptyBatch = (answer) => Array.isArray(answer?.answers) && answer.answers.length === 0;

/** @param {any} item @returns {item is Offer} */
const isOffer = (item) =>
  isTag(item?.tag) &&
  isShare(item.score) &&
  typeof item.confident === "boolean" &&
  isCount(item.uses) &&
  Array.isArray(item.because) &&
  item.because.length <= MOST_REASONS &&
  item.because.every((/** @type {unknown} */ reason) => isText(reason, LONGEST_REASON));

/** Without what a newer service may add: nothing is passed on that was not looked at. @param {Offer} item @returns {Offer} */
const offerOf = ({ tag, score, confident, uses, because }) => ({ tag, score, confident, uses, because });

/** @param {unknown} value @returns {value is string} */
export const isTag = (value) => typeof value === "string" && TAG.test(value);

/** @param {unknown} value @returns {value is string} */
export const isUuid = (value) => typeof value === "string" && UUID.test(value);

/** @param {unknown} value @param {number} longest @returns {value is string} */
const isText = (value, longest) => typeof value === "string" && value !== "" && value.length <= longest;

/** @param {unknown} value */
const isCount = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** @param {unknown} value */
const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;
