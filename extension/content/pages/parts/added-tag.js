/** Finds the tag that the page shows after we typed one: it may put a synonym in its place, or rename it later. */

import { findRenamedTags } from "./renamed-tags.js";
import { typing } from "./watch.js";

/** By then a page has reacted to what was typed before. */
const TYPED_TAG_MS = 10_000;

export class AddedTag {
  /** Whether the page has taken the tag out of its input. */
  consumed = false;
  /** Whether the writer used the page's own drop-down, which may add any tag. */
  dropDownUsed = false;
  #name;
  /** @type {string[]} tags that cannot be ours: those that were there before the page took it */
  #before;
  /** @type {string[]} the page's tags when last looked at */
  #names;
  /** The name under which the page showed our tag last. */
  #shownAs = "";
  #startedAt = performance.now();

  /** @param {string} name @param {string[]} names  the page's tags */
  constructor(name, names) {
    this.#name = name;
    this.#before = names;
    this.#names = [...names];
  }

  /** Follow a change of the page's tags. @param {string[]} names @returns {boolean} whether there was one */
  update(names) {
    const changed = names.join(" ") !== this.#names.join(" ");
    for (const [oldName, newName] of findRenamedTags(this.#names, names)) {
      if (oldName === this.#shownAs) this.#shownAs = newName;
      else this.#before.push(newName);
    }
    if (names.includes(this.#name)) this.#shownAs = this.#name;
    this.#names = names;
    return changed;
  }

  /** Until the page has taken our tag, whatever it shows is not ours. */
  excludeShownTags() {
    if (!this.consumed) this.#before = [...this.#names];
  }

  /**
   * Return the name under which the page shows our tag, or null: its own name, or that of the one new tag after all
   * that the writer did not type, which only our typing can have caused.
   *
   * @param {string[]} names  the page's tags
   * @param {string} typed  what the writer has in the field
   * @returns {string | null}
   */
  find(names, typed) {
    if (names.includes(this.#name)) return this.#name;
    if (names.includes(this.#shownAs)) return this.#shownAs;
    return this.#isTypedTagMissing(names, typed) ? null : this.findSubstitute(names);
  }

  /** Return the new tag that may be ours, or come from what the writer typed. @param {string[]} names */
  findSubstitute(names) {
    const [substitute, ...others] = names.filter((name) => !this.#before.includes(name) && !typing.tags.has(name));
    if (!this.consumed || this.dropDownUsed || substitute === undefined || others.length > 0) return null;
    const isLast = names.slice(names.indexOf(substitute) + 1).every((name) => typing.tags.has(name));
    return isLast ? substitute : null;
  }

  /**
   * Whether the page has yet to react to a tag that the writer typed, and may show it under any name.
   *
   * @param {string[]} names
   * @param {string} typed
   */
  #isTypedTagMissing(names, typed) {
    return [...typing.tags].some(
      ([name, at]) => at > this.#startedAt - TYPED_TAG_MS && !names.includes(name) && !typed.includes(name),
    );
  }
}
