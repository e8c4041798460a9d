/** The tags that the page was asked to take: under which names it shows them, and whether it may still refuse them. */

import { findRenamedTags } from "./pages/parts/renamed-tags.js";

/** @typedef {import("./items.js").Items} Items */
/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("./event-buffer.js").Held} Held */

/** The page shows a tag, and asks its server about it; by then it has heard. */
const SETTLES_MS = 1500;
/** A tag that the writer's hand is on goes within this time, or stays. */
const HAND_MS = 4000;

/**
 * @typedef {object} News
 * @property {(tag: string, was: string, is: string) => void} renamed  the page has put another name in a tag's place
 * @property {(tag: string) => void} refused  the page has taken back a tag that it showed
 */

export class TakenTags {
  /** @type {Map<string, string>} tags as they are offered, by the names under which the page shows them */
  #offered = new Map();
  /** @type {Map<string, {held: Held, timer: ReturnType<typeof setTimeout>}>} by tag */
  #unsettled = new Map();
  /** @type {Map<string, number>} when the writer's hand was last on a chosen tag */
  #touched = new Map();
  /** @type {string[]} what the page showed last */
  #names;
  #read;
  #items;
  #hold;
  #news;

  /**
   * @param {() => string[]} read  the page's tags
   * @param {Items} items
   * @param {(act: () => void) => Held} hold  of the events
   * @param {News} news
   */
  constructor(read, items, hold, news) {
    this.#read = read;
    this.#names = read();
    this.#items = items;
    this.#hold = hold;
    this.#news = news;
  }

  /** The page shows a tag after a click. @param {string} tag @param {string} name @param {number} position */
  take(tag, name, position) {
    this.settle(tag);
    if (name !== tag) this.#offered.set(name, tag);
    // Seen it is, whatever the page still says.
    this.#items.viewed(tag, position);
    const held = this.#hold(() => this.#items.accepted(tag, position));
    this.#unsettled.set(tag, { held, timer: setTimeout(() => this.#confirm(tag), SETTLES_MS) });
  }

  /** The tag as it was offered. @param {string} name  that the page shows */
  tagOf(name) {
    return this.#offered.get(name) ?? name;
  }

  /** Whether the page may still refuse a tag that it shows. @param {string} tag */
  isUnsettled(tag) {
    return this.#unsettled.has(tag);
  }

  /** The name under which the page shows a tag; undefined: it does not. @param {string} tag @param {string[]} names */
  nameOf(tag, names) {
    return names.includes(tag) ? tag : names.find((name) => this.#offered.get(name) === tag);
  }

  /** The writer's hand is on a chosen tag: if it goes now, the page did not do it. @param {string} name */
  touch(name) {
    this.#touched.set(name, Date.now());
  }

  /** It is certain that the page has taken a tag; without one, all that it shows. @param {string} [tag] */
  settle(tag) {
    for (const [other, { held, timer }] of this.#unsettled) {
      if (tag !== undefined && tag !== other) continue;
      clearTimeout(timer);
      this.#unsettled.delete(other);
      held.keep();
    }
  }

  /** A tag was taken out by the writer. @param {string} name  as the page showed it */
  takenOut(name) {
    for (const tag of new Set([this.tagOf(name), name])) {
      this.settle(tag);
      this.#items.gone(tag);
    }
    this.#offered.delete(name);
  }

  /** Follows every change of the page's tags: what is put in another's place has renamed it. */
  follow() {
    const [before, names] = [this.#names, this.#read()];
    this.#names = names;
    for (const [was, is] of findRenamedTags(before, names)) {
      if (this.#byHand(was)) continue;
      const tag = this.tagOf(was);
      this.#offered.delete(was);
      this.#offered.set(is, tag);
      this.#news.renamed(tag, was, is);
    }
  }

  /** A name is on the page no more: by the writer's hand, or refused. @param {string} name @returns {string} its tag */
  lose(name) {
    const tag = this.tagOf(name);
    const unsettled = this.#unsettled.get(tag);
    if (!unsettled || this.#byHand(name)) {
      this.takenOut(name);
      return tag;
    }
    clearTimeout(unsettled.timer);
    this.#unsettled.delete(tag);
    this.#offered.delete(name);
    unsettled.held.drop();
    this.#items.refused(tag);
    this.#news.refused(tag);
    return tag;
  }

  /** The page has had its time; while it draws its tags anew, it has a little more. @param {string} tag */
  #confirm(tag, again = true) {
    const unsettled = this.#unsettled.get(tag);
    if (this.nameOf(tag, this.#read()) !== undefined) this.settle(tag);
    else if (unsettled && again) unsettled.timer = setTimeout(() => this.#confirm(tag, false), SETTLES_MS);
    else this.lose(tag);
  }

  /** @param {string} name */
  #byHand(name) {
    return Date.now() - (this.#touched.get(name) ?? -Infinity) < HAND_MS;
  }
}
