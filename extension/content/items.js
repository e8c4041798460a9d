/** The items of one draft and the events about them: the rules of an item's life, independent of any page. */

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */
/** @typedef {import("../shared/protocol.js").Origin} Origin */

/**
 * One offered tag of the draft.
 *
 * @typedef {object} Item
 * @property {string} tag
 * @property {string | null} suggestion_id  the newest until the first view, then that of the view; null: the service
 *   could not record it, and nothing of it is counted
 * @property {Origin} origin  of that suggestion
 * @property {boolean} viewed
 * @property {boolean} accepted  by the latest of accepted and removed
 * @property {boolean} dismissed  by the latest of dismissed and restored
 */

/** @typedef {(event: Omit<ItemEvent, "id" | "occurred_at"> & {occurred_at?: string}) => void} RecordEvent */

export class Items {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {RecordEvent} */
  #record;
  #draftId = "";

  /** @param {RecordEvent} record */
  constructor(record) {
    this.#record = record;
  }

  /**
   * Begin a draft, with what became of its items before a reload.
   *
   * @param {string} draftId
   * @param {{[tag: string]: ItemState}} states
   */
  begin(draftId, states) {
    this.#draftId = draftId;
    const known = Object.entries(states).map(([tag, state]) => [tag, { tag, viewed: true, ...state }]);
    this.#items = new Map(/** @type {[string, Item][]} */ (known));
  }

  get draftId() {
    return this.#draftId;
  }

  /** @param {string} tag */
  get(tag) {
    return this.#items.get(tag);
  }

  /** @param {string} tag */
  isDismissed(tag) {
    return this.get(tag)?.dismissed ?? false;
  }

  /**
   * Add the items of an answer.
   *
   * @param {{suggestion_id: string | null, origin: Origin}} answer
   * @param {string[]} tags
   */
  offer({ suggestion_id, origin }, tags) {
    for (const tag of tags) {
      const item = this.#items.get(tag) ?? {
        tag,
        suggestion_id,
        origin,
        viewed: false,
        accepted: false,
        dismissed: false,
      };
      if (!item.viewed && suggestion_id) Object.assign(item, { suggestion_id, origin });
      this.#items.set(tag, item);
    }
  }

  /**
   * The item was seen or acted upon. It belongs to the suggestion of its first view.
   *
   * @param {string} tag
   * @param {number} position  from 1 on screen
   */
  markViewed(tag, position) {
    const item = this.#items.get(tag);
    if (!item || item.viewed || item.suggestion_id === null) return;
    // Its life began without being recorded: events about the rest of it would contradict each other.
    if (item.accepted || item.dismissed) return;
    item.viewed = true;
    this.#recordEvent("viewed", item, position);
  }

  /** The page took the tag after a press. @param {string} tag @param {number} position */
  markAccepted(tag, position) {
    // Accepted before a reload that did not restore it: it had been removed.
    this.markRemoved(tag);
    this.#change(tag, "accepted", position);
  }

  /** The page refused the tag after all: it was never accepted. @param {string} tag */
  markRefused(tag) {
    const item = this.#items.get(tag);
    if (item) item.accepted = false;
  }

  /** The tag is on the page no more; counted only if it was accepted. @param {string} tag */
  markRemoved(tag) {
    if (this.#items.get(tag)?.accepted) this.#change(tag, "removed", 0);
  }

  /** @param {string} tag @param {number} position */
  markDismissed(tag, position) {
    this.#change(tag, "dismissed", position);
  }

  /** The writer undid the dismissal. @param {string} tag @param {number} position */
  markRestored(tag, position) {
    this.#change(tag, "restored", position);
  }

  /**
   * @param {string} tag
   * @param {"accepted" | "removed" | "dismissed" | "restored"} kind
   * @param {number} position
   */
  #change(tag, kind, position) {
    const item = this.#items.get(tag);
    if (!item) return;
    this.markViewed(tag, position);
    if (kind === "accepted" || kind === "removed") item.accepted = kind === "accepted";
    else item.dismissed = kind === "dismissed";
    // Not viewed by now: its suggestion is not recorded.
    if (item.viewed) this.#recordEvent(kind, item);
  }

  /**
   * @param {ItemEvent["kind"]} kind
   * @param {Item} item
   * @param {number} [position]
   */
  #recordEvent(kind, { tag, suggestion_id, origin }, position) {
    const event = { kind, draft_id: this.#draftId, suggestion_id: /** @type {string} */ (suggestion_id), origin, tag };
    this.#record(position === undefined ? event : { ...event, position });
  }
}
