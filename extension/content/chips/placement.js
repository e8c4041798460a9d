/** Puts the chips' elements into the row: in their order, but around those that must not move. */

import { getTag } from "./chip.js";
import { createElement } from "./elements.js";
import { layOutChips } from "./layout.js";

export class ChipPlacement {
  #row;
  #elements;
  /** The order that was last placed, and which chips were fixed then. */
  #last = "";
  /** Whether fixed chips have left gaps before them. */
  #hasGaps = false;

  /** @param {HTMLElement} row @param {Map<string, HTMLElement>} elements  of the chips, by tag */
  constructor(row, elements) {
    this.#row = row;
    this.#elements = elements;
  }

  /** The tags in the order of their chips on screen. */
  get order() {
    return Array.from(this.#row.querySelectorAll(".chip"), getTag);
  }

  /**
   * Whether the chips have to be placed anew.
   *
   * @param {string[]} order
   * @param {string[]} fixed
   */
  isOutdated(order, fixed) {
    const state = JSON.stringify([order, fixed]);
    const inOrder = !this.#hasGaps && this.order.join(" ") === order.join(" ");
    if (inOrder || state === this.#last) return false;
    this.#last = state;
    return true;
  }

  /**
   * Return where chips stand now, in reading order, so that they can stay there to the pixel.
   *
   * @param {string[]} tags
   * @returns {import("./layout.js").FixedChip[]}
   */
  measureFixed(tags) {
    const fixed = tags.map((tag) => this.#measureChip(tag));
    return fixed.sort((one, other) => one.line - other.line || one.start - other.start);
  }

  /** @param {string[]} order @param {import("./layout.js").FixedChip[]} fixed */
  place(order, fixed) {
    const fixedTags = fixed.map(({ tag }) => tag);
    const free = order.filter((tag) => !fixedTags.includes(tag));
    if (fixed.length === 0) return this.#insert(free.map((tag) => ({ tag, margin: 0 })), []);
    const { width, gap } = this.#measureLine();
    const freeChips = free.map((tag) => ({ tag, width: this.#measureBox(tag).width }));
    this.#insert(layOutChips(fixed, freeChips, width, gap), fixedTags);
  }

  /**
   * Insert all but the fixed chips anew: to the browser, what was not there before has not moved.
   *
   * @param {import("./layout.js").LayoutItem[]} items
   * @param {string[]} fixedTags
   */
  #insert(items, fixedTags) {
    for (const element of [...this.#row.children]) if (!fixedTags.includes(getTag(element))) element.remove();
    this.#hasGaps = false;
    /** @type {Element | null} */
    let after = null;
    for (const item of items.toReversed()) {
      const element = "fill" in item ? createElement("span", "gap") : this.#getElement(item.tag);
      const [property, size] = "fill" in item ? ["inline-size", item.fill] : ["margin-inline-start", item.margin];
      element.style.setProperty(property, size > 0 ? `${size}px` : "");
      this.#hasGaps ||= size > 0;
      if (!element.isConnected) this.#row.insertBefore(element, after);
      after = element;
    }
  }

  /** Return the width of a line that chips can use and the gap between two of them, in pixels. */
  #measureLine() {
    const { flexWrap, columnGap, paddingInlineStart, paddingInlineEnd } = getComputedStyle(this.#row);
    const inner = this.#row.clientWidth - parseFloat(paddingInlineStart) - parseFloat(paddingInlineEnd);
    return { width: flexWrap === "wrap" ? inner : Infinity, gap: parseFloat(columnGap) };
  }

  /** @param {string} tag @returns {import("./layout.js").FixedChip} */
  #measureChip(tag) {
    const [chip, row] = [this.#measureBox(tag), this.#row.getBoundingClientRect()];
    const { direction, columnGap, paddingInlineStart, paddingBlockStart } = getComputedStyle(this.#row);
    const aside = direction === "rtl" ? row.right - chip.right : chip.left - row.left;
    const down = chip.top - row.top + this.#row.scrollTop - parseFloat(paddingBlockStart);
    return {
      tag,
      width: chip.width,
      line: Math.round(down / (chip.height + parseFloat(columnGap))),
      start: aside + Math.abs(this.#row.scrollLeft) - parseFloat(paddingInlineStart),
    };
  }

  /** @param {string} tag */
  #measureBox(tag) {
    return this.#getElement(tag).getBoundingClientRect();
  }

  /** @param {string} tag */
  #getElement(tag) {
    return /** @type {HTMLElement} */ (this.#elements.get(tag));
  }
}
