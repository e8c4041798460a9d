/** The state that the controller and the actions share: what the writer has done on one page. */

/** @typedef {import("./accepted-tags.js").AcceptedTags} AcceptedTags */
/** @typedef {import("./chips/panel.js").Look} Look */
/** @typedef {import("./chips/panel.js").Note} Note */
/** @typedef {import("./items.js").Items} Items */
/** @typedef {import("./pages/contract.js").Page} Page */

export class PageSession {
  page;
  items;
  accepted;
  /** Tags that the writer wants no chip of, in any draft. */
  blocked;
  /** @type {Map<string, number>} when the writer last did something about a tag; ms since the epoch */
  settledAt = new Map();
  /** @type {Map<string, "adding" | "removing">} tags that the page is being asked to add or to remove */
  pending = new Map();
  /** @type {Note | null} on the last action, until the next */
  note = null;
  /** @type {string[]} the page's tags when it last was at rest */
  tagsAtRest;

  /**
   * @param {Page} page
   * @param {Items} items
   * @param {AcceptedTags} accepted
   * @param {string[]} blocked
   */
  constructor(page, items, accepted, blocked) {
    this.page = page;
    this.items = items;
    this.accepted = accepted;
    this.blocked = new Set(blocked);
    this.tagsAtRest = page.readTags();
  }

  /** The writer has just done something about the tag: its chip stays where it is for a while. @param {string} tag */
  markSettled(tag) {
    this.settledAt.set(tag, Date.now());
  }

  /** Whether the question has all the tags that it can have, with those that the page is being asked to add. */
  isFull() {
    const adding = [...this.pending].filter(([, change]) => change === "adding").map(([tag]) => tag);
    return new Set([...this.page.readTags(), ...adding]).size >= this.page.maxTags;
  }

  /** @param {string} tag @param {string[]} names  that the page shows */
  isChosen(tag, names = this.page.readTags()) {
    return this.accepted.findName(tag, names) !== undefined;
  }

  /** @param {string} tag @param {string[]} names  that the page shows @returns {Look} */
  getLook(tag, names) {
    if (this.isChosen(tag, names)) return "chosen";
    if (this.pending.get(tag) === "adding") return "adding";
    return this.items.isDismissed(tag) ? "dismissed" : "offered";
  }
}
