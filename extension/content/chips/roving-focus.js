/**
 * Moves the focus along the row of chips: one chip is in the tab order, arrows lead to the others, as in the ARIA
 * Authoring Practices' toolbar (roving tabindex).
 */

import { getTag } from "./chip.js";

export class RovingFocus {
  #row;
  #root;
  #isOffered;
  #leave;

  /**
   * @param {HTMLElement} row
   * @param {ShadowRoot} root
   * @param {(tag: string) => boolean} isOffered
   * @param {() => void} leave  called at Escape
   */
  constructor(row, root, isOffered, leave) {
    this.#row = row;
    this.#root = root;
    this.#isOffered = isOffered;
    this.#leave = leave;
    for (const type of ["focusin", "focusout"]) row.addEventListener(type, () => this.update());
    row.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.altKey && !event.metaKey && this.#onKey(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
  }

  /** The button that is in the tab order. @returns {HTMLElement | null} */
  get current() {
    return this.#row.querySelector('[tabindex="0"]');
  }

  /**
   * Choose the chip that is in the tab order: the focused one, else the first that is offered, so that Tab and Enter
   * remove no tag.
   */
  update() {
    const buttons = this.#findButtons();
    const { activeElement } = this.#root;
    const focused = activeElement && this.#row.contains(activeElement) ? getTag(activeElement) : undefined;
    const tags = buttons.map(getTag);
    const current = focused ?? tags.find((tag) => this.#isOffered(tag)) ?? tags[0];
    for (const button of buttons) button.setAttribute("tabindex", getTag(button) === current ? "0" : "-1");
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was for the row */
  #onKey(event) {
    const buttons = this.#findButtons();
    const tag = getTag(/** @type {Element} */ (event.target));
    const index = buttons.findIndex((button) => getTag(button) === tag);
    const forward = getComputedStyle(this.#row).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (event.key === "Escape") this.#leave();
    else if (event.key === "Home") buttons[0]?.focus();
    else if (event.key === "End") buttons.at(-1)?.focus();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      buttons[index + (event.key === forward ? 1 : -1)]?.focus();
    } else return false;
    return true;
  }

  /** The chips' first buttons, in the order on screen. @returns {HTMLElement[]} */
  #findButtons() {
    return Array.from(this.#row.querySelectorAll(".chip > .tag"));
  }
}
