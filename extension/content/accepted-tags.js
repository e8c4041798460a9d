/** The tags that the page accepted from us: under which names it shows them, and whether it may still refuse them. */

import { findRenamedTags } from "./pages/parts/renamed-tags.js";

/** @typedef {import("./items.js").Items} Items */
/** @typedef {import("./event-buffer.js").HeldEvents} HeldEvents */

/** A page shows a tag, and then asks its server about it; by then it has the answer. */
const CONFIRM_MS = 1500;
/** A tag that disappears so soon after the writer began to remove it was removed by them. */
const REMOVAL_MS = 4000;

/**
 * @typedef {object} AcceptedTagsListener
 * @property {(tag: string, oldName: string, newName: string) => void} renamed  the page put another name in its place
 * @property {(tag: string) => void} refused  the page took back a tag that it had shown
 */

export class AcceptedTags {
  /** @type {Map<string, string>} tags as they were offered, by the names under which the page shows them */
  #offered = new Map();
  /** @type {Map<string, {events: HeldEvents, timer: ReturnType<typeof setTimeout>}>} by tag */
  #unconfirmed = new Map();
  /** @type {Map<string, number>} when the writer last began to remove a tag, by name */
  #removedAt = new Map();
  /** @type {string[]} what the page showed last */
  #names;
  #readTags;
  #items;
  #hold;
  #listener;

  /**
   * @param {() => string[]} readTags  of the page
   * @param {Items} items
   * @param {(act: () => void) => HeldEvents} hold  holds back the events of `act`
   * @param {AcceptedTagsListener} listener
   */
  constructor(readTags, items, hold, listener) {
    this.#readTags = readTags;
    this.#names = readTags();
    this.#items = items;
    this.#hold = hold;
    this.#listener = listener;
  }

  /** The page shows a tag after a press. @param {string} tag @param {string} name @param {number} position */
  add(tag, name, position) {
    this.confirm(tag);
    if (name !== tag) this.#offered.set(name, tag);
    // It was seen, whether or not the page refuses it.
    this.#items.markViewed(tag, position);
    const events = this.#hold(() => this.#items.markAccepted(tag, position));
    this.#unconfirmed.set(tag, { events, timer: setTimeout(() => this.#onTimeout(tag), CONFIRM_MS) });
  }

  /** Return the tag as it was offered. @param {string} name  that the page shows */
  getTag(name) {
    return this.#offered.get(name) ?? name;
  }

  /** Return the name under which the page shows a tag, if it does. @param {string} tag @param {string[]} names */
  findName(tag, names) {
    return names.includes(tag) ? tag : names.find((name) => this.#offered.get(name) === tag);
  }

  /** Whether the page may still refuse a tag that it shows. @param {string} tag */
  isUnconfirmed(tag) {
    return this.#unconfirmed.has(tag);
  }

  /** The writer is removing a tag: if it goes now, the page has not refused it. @param {string} name */
  markRemoving(name) {
    this.#removedAt.set(name, Date.now());
  }

  /** Count a tag as accepted for certain; without one, all that the page shows. @param {string} [tag] */
  confirm(tag) {
    for (const [other, { events, timer }] of this.#unconfirmed) {
      if (tag !== undefined && tag !== other) continue;
      clearTimeout(timer);
      this.#unconfirmed.delete(other);
      events.confirm();
    }
  }

  /** The writer removed a tag. @param {string} name  under which the page showed it */
  remove(name) {
    for (const tag of new Set([this.getTag(name), name])) {
      this.confirm(tag);
      this.#items.markRemoved(tag);
    }
    this.#offered.delete(name);
  }

  /** To be called at every change of the page's tags, to notice which it renames. */
  followRenames() {
    const [before, names] = [this.#names, this.#readTags()];
    this.#names = names;
    for (const [oldName, newName] of findRenamedTags(before, names)) {
      if (this.#isRemovedByWriter(oldName)) continue;
      const tag = this.getTag(oldName);
      this.#offered.delete(oldName);
      this.#offered.set(newName, tag);
      this.#listener.renamed(tag, oldName, newName);
    }
  }

  /** The page shows a name no more: it was removed, or refused. @param {string} name @returns {string} its tag */
  handleMissing(name) {
    const tag = this.getTag(name);
    const unconfirmed = this.#unconfirmed.get(tag);
    if (!unconfirmed || this.#isRemovedByWriter(name)) {
      this.remove(name);
      return tag;
    }
    clearTimeout(unconfirmed.timer);
    this.#unconfirmed.delete(tag);
    this.#offered.delete(name);
    unconfirmed.events.discard();
    this.#items.markRefused(tag);
    this.#listener.refused(tag);
    return tag;
  }

  /** The page has had its time; while it draws its tags anew, it has a little more. @param {string} tag */
  #onTimeout(tag, again = true) {
    const unconfirmed = this.#unconfirmed.get(tag);
    if (this.findName(tag, this.#readTags()) !== undefined) this.confirm(tag);
    else if (unconfirmed && again) unconfirmed.timer = setTimeout(() => this.#onTimeout(tag, false), CONFIRM_MS);
    else this.handleMissing(tag);
  }

  /** @param {string} name */
  #isRemovedByWriter(name) {
    return Date.now() - (this.#removedAt.get(name) ?? -Infinity) < REMOVAL_MS;
  }
}
