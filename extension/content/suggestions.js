/** Chooses which suggested tags have a chip, and in which order. */

/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */
/** @typedef {import("./session.js").PageSession} PageSession */

/** How long a chip stays in place after an action on it: the next one there must not get a second click. */
const STAY_MS = 8000;

export class Suggestions {
  /** @type {string[]} tags that have a chip, in their order */
  shown = [];
  /** @type {string[]} tags of the newest answer, best first */
  #offered = [];
  /** @type {Map<string, SuggestedTag>} the newest of each tag */
  #offers = new Map();
  #showDismissed = false;
  #session;
  #isInUse;

  /** @param {PageSession} session @param {(tag: string) => boolean} isInUse  whether the tag's chip is */
  constructor(session, isInUse) {
    this.#session = session;
    this.#isInUse = isInUse;
  }

  /** Dismissed tags of the newest answer that have no chip. */
  get hidden() {
    const { items, blocked } = this.#session;
    return this.#offered.filter((tag) => items.isDismissed(tag) && !this.shown.includes(tag) && !blocked.has(tag));
  }

  /** Replace the suggestions by those of a new answer. @param {SuggestedTag[]} offers  best first */
  update(offers) {
    for (const offer of offers) this.#offers.set(offer.tag, offer);
    this.#offered = offers.map(({ tag }) => tag);
  }

  clear() {
    [this.#offered, this.shown, this.#showDismissed] = [[], [], false];
  }

  showDismissed() {
    this.#showDismissed = true;
    this.arrange();
  }

  /**
   * Choose the chips to show, in the order of the newest answer, which is that of their scores (or a random one, to
   * learn the effect of the order). A chip that stays without being in the answer is put before the first with a
   * lower score.
   */
  arrange() {
    const session = this.#session;
    const names = session.page.readTags();
    const shown = this.#offered.filter((tag) => {
      if (this.shown.includes(tag) && this.#stays(tag)) return true;
      if (session.isChosen(tag, names) || session.blocked.has(tag)) return false;
      return !session.items.isDismissed(tag) || this.#showDismissed;
    });
    for (const tag of this.shown.filter((tag) => !shown.includes(tag) && this.#stays(tag))) {
      const index = shown.findIndex((other) => this.#getScore(other) < this.#getScore(tag));
      shown.splice(index < 0 ? shown.length : index, 0, tag);
    }
    this.shown = shown;
    if (session.note?.tag !== undefined && !shown.includes(session.note.tag)) session.note = null;
  }

  /** Return the chips to draw. @param {string[]} names  that the page shows */
  createChips(names) {
    return this.shown.map((tag) => ({
      .../** @type {SuggestedTag} */ (this.#offers.get(tag)),
      look: this.#session.getLook(tag, names),
      blocked: this.#session.blocked.has(tag),
      stays: this.#stays(tag),
    }));
  }

  /** Whether the chip must neither go nor move just now. @param {string} tag */
  #stays(tag) {
    const { settledAt, pending } = this.#session;
    return Date.now() - (settledAt.get(tag) ?? 0) < STAY_MS || this.#isInUse(tag) || pending.has(tag);
  }

  /** Return the score in the newest answer that has the tag. @param {string} tag */
  #getScore(tag) {
    return this.#offers.get(tag)?.score ?? 0;
  }
}
