/** The items of one draft, and what is counted of them: the rules of an item's life, without any page. */

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */

/**
 * One offered tag of the draft.
 *
 * @typedef {object} Item
 * @property {string} tag
 * @property {string | null} suggestion_id  the newest until the first view, then that of the view; null:
 *   the service could not record it, and nothing of it is counted
 * @property {boolean} viewed
 * @property {boolean} accepted  the last word of accepted and removed
 * @property {boolean} dismissed  the last word of dismissed and restored
 */

/** @typedef {(event: Omit<ItemEvent, "id" | "occurred_at"> & {occurred_at?: string}) => void} Record */

export class Items {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {Record} */
  #record;
  #draftId = "";

  /** @param {Record} record */
  constructor(record) {
    this.#record = record;
  }

  /**
   * Begins a draft, with what became of its items before a reload.
   *
   * @param {string} draftId
   * @param {{[tag: string]: ItemState}} lives
   */
  begin(draftId, lives) {
    this.#draftId = draftId;
    const known = Object.entries(lives).map(([tag, life]) => [tag, { tag, viewed: true, ...life }]);
    this.#items = new Map(/** @type {[string, Item][]} */ (known));
  }

  get draftId() {
    return this.#draftId;
  }

  /** @param {string} tag */
  get(tag) {
    return this.#items.get(tag);
  }

  /**
   * Takes up an answer.
   *
   * @param {string | null} suggestionId
   * @param {string[]} tags  that it offers
   */
  offer(suggestionId, tags) {
    for (const tag of tags) {
      const item = this.#items.get(tag) ?? {
        tag,
        suggestion_id: null,
        viewed: false,
        accepted: false,
        dismissed: false,
      };
      if (!item.viewed) item.suggestion_id = suggestionId ?? item.suggestion_id;
      this.#items.set(tag, item);
    }
  }

  /**
   * The item was seen, or acted upon. An item belongs to the suggestion of its first view.
   *
   * @param {string} tag
   * @param {number} position  from 1 on screen
   */
  viewed(tag, position) {
    const item = this.#items.get(tag);
    if (!item || item.viewed || item.suggestion_id === null) return;
    // Its life began off the record: the rest of it would be half a story.
    if (item.accepted || item.dismissed) return;
    item.viewed = true;
    this.#tell("viewed", item, position);
  }

  /** The page took the tag after a click. @param {string} tag @param {number} position */
  accepted(tag, position) {
    // Taken before a reload that did not bring it back: it was gone.
    this.gone(tag);
    this.#act(tag, "accepted", position);
  }

  /** The page would not have the tag after all: it was never taken. @param {string} tag */
  refused(tag) {
    const item = this.#items.get(tag);
    if (item) item.accepted = false;
  }

  /** A tag is no longer on the page; counted only if it came by a click. @param {string} tag */
  gone(tag) {
    if (this.#items.get(tag)?.accepted) this.#act(tag, "removed", 0);
  }

  /** The writer said no. @param {string} tag @param {number} position */
  dismissed(tag, position) {
    this.#act(tag, "dismissed", position);
  }

  /** The writer took the no back. @param {string} tag @param {number} position */
  restored(tag, position) {
    this.#act(tag, "restored", position);
  }

  /**
   * @param {string} tag
   * @param {"accepted" | "removed" | "dismissed" | "restored"} kind
   * @param {number} position
   */
  #act(tag, kind, position) {
    const item = this.#items.get(tag);
    if (!item) return;
    this.viewed(tag, position);
    if (kind === "accepted" || kind === "removed") item.accepted = kind === "accepted";
    else item.dismissed = kind === "dismissed";
    // Not viewed by now: without a suggestion on record.
    if (item.viewed) this.#tell(kind, item);
  }

  /**
   * @param {ItemEvent["kind"]} kind
   * @param {Item} item
   * @param {number} [position]
   */
  #tell(kind, { tag, suggestion_id }, position) {
    const event = { kind, draft_id: this.#draftId, suggestion_id: /** @type {string} */ (suggestion_id), tag };
    this.#record(position === undefined ? event : { ...event, position });
  }
}
