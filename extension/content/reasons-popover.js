/**
 * The popover below the chip that has pointer or focus. It says why the tag is suggested, and offers to dismiss or
 * block it, or to replace a chosen tag by it where the question has all its tags.
 */

import { getText } from "../shared/i18n.js";
import { getTag } from "./chips/chip.js";
import { createButton, setText } from "./chips/elements.js";
import { ReasonsContent, describeForScreenReader } from "./reasons-content.js";

/** @typedef {import("./chips/panel.js").ChipActions} ChipActions */
/** @typedef {import("./chips/presses.js").Presses} Presses */
/** @typedef {import("./chips/row.js").ChipRow} ChipRow */

/** A pointer that only passes opens nothing. */
const OPEN_MS = 350;
/** Once it is open: a pointer on its way to it may cross other chips. */
const SWITCH_MS = 150;
/** Time for the pointer to cross the gap between chip and popover. */
const CLOSE_MS = 200;
const GAP = 6;
const MARGIN = 8;

export class ReasonsPopover {
  #root;
  #row;
  #presses;
  #actions;
  #content;
  #element;
  /** The tag it is about; empty while closed. */
  #tag = "";
  /** The tag whose chip was just pressed, while the pointer is still on it. */
  #pressedTag = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} until it opens or closes */
  #timer;

  /**
   * @param {HTMLElement} panel
   * @param {ChipRow} row
   * @param {Presses} presses
   * @param {ChipActions} actions
   * @param {AbortSignal} signal
   */
  constructor(panel, row, presses, actions, signal) {
    this.#root = /** @type {ShadowRoot} */ (panel.getRootNode());
    this.#row = row;
    this.#presses = presses;
    this.#actions = actions;
    this.#content = new ReasonsContent((tag, chosen) => this.#createReplaceButton(tag, chosen));
    this.#element = this.#content.element;
    // In the browser's top layer: no part of the page can cut it off, and it moves none.
    this.#element.popover = "manual";
    row.element.after(this.#element);

    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.#onPress(this.#content.dismissButton, actions.dismiss);
    this.#onPress(this.#content.blockButton, actions.block);
    this.#followPointer();
    this.#followFocus(panel);
    this.#closeFromElsewhere(signal);
    this.#describeChips();
    this.#openAtStart();
  }

  /** Update the popover after the chips were drawn: it follows its chip, or closes with it. */
  refresh() {
    this.#describeChips();
    if (this.#tag === "") return;
    if (!this.#row.chips.has(this.#tag)) return this.#close();
    this.#fill();
    this.#place();
  }

  /**
   * Open it because the chip was pressed, but the question has all its tags.
   *
   * @param {string} tag
   * @param {boolean} byKeyboard  then move the focus to the first choice
   */
  offerReplacing(tag, byKeyboard) {
    this.#open(tag);
    if (byKeyboard) this.#content.firstReplaceButton?.focus();
  }

  #followPointer() {
    const row = this.#row.element;
    row.addEventListener("pointerover", (event) => this.#onPointerOver(event));
    row.addEventListener("pointerleave", () => this.#closeSoon());
    // After a decision no reasons are needed, and what is below is free; until the pointer comes back to the chip.
    row.addEventListener("pointerup", ({ target }) => {
      this.#close();
      this.#pressedTag = getTag(/** @type {Element} */ (target));
    });
    this.#element.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    this.#element.addEventListener("pointerleave", () => this.#closeSoon());
  }

  /** @param {HTMLElement} panel */
  #followFocus(panel) {
    const row = this.#row.element;
    row.addEventListener("focusin", ({ target }) => {
      const element = /** @type {Element} */ (target);
      if (element.matches(":focus-visible")) this.#open(getTag(element));
    });
    panel.addEventListener("focusout", () => this.#closeSoon());
    row.addEventListener("keydown", (event) => this.#onRowKeyDown(event));
    this.#element.addEventListener("keydown", (event) => this.#onKeyDown(event));
  }

  /** @param {AbortSignal} signal */
  #closeFromElsewhere(signal) {
    const options = { signal, capture: true };
    const onEscape = (/** @type {KeyboardEvent} */ { key }) => key === "Escape" && !this.#hasFocus() && this.#close();
    document.addEventListener("keydown", onEscape, options);
    document.addEventListener("pointerdown", ({ target }) => target !== this.#root.host && this.#close(), options);
  }

  /** Open it where pointer or focus were on a chip before the popover was loaded. */
  #openAtStart() {
    const row = this.#row.element;
    const [hovered, focused] = [row.querySelector(".chip:hover"), row.querySelector(":focus-visible")];
    if (focused) this.#open(getTag(focused));
    else if (hovered && this.#row.chips.get(getTag(hovered))?.look === "offered") this.#openSoon(getTag(hovered));
  }

  /** @param {PointerEvent} event */
  #onPointerOver({ target, pointerType }) {
    const tag = getTag(/** @type {Element} */ (target));
    // A finger that adds a tag hovers over it, too.
    if (tag === "" || pointerType === "touch") return;
    if (tag === this.#pressedTag) return;
    this.#pressedTag = "";
    clearTimeout(this.#timer);
    if (tag === this.#tag || this.#containsFocus()) return;
    this.#openSoon(tag, this.#tag === "" ? OPEN_MS : SWITCH_MS);
  }

  /** @param {KeyboardEvent} event */
  #onRowKeyDown(event) {
    if (event.key === "ArrowDown") {
      this.#open(getTag(/** @type {Element} */ (event.target)));
      this.#content.buttons[0]?.focus();
    } else if (event.key === "ArrowUp") this.#close();
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    const { buttons } = this.#content;
    const index = buttons.findIndex((button) => button.matches(":focus"));
    if (event.key === "ArrowDown") buttons[index + 1]?.focus();
    else if (event.key === "ArrowUp") (buttons[index - 1] ?? this.#row.getButton(this.#tag))?.focus();
    else if (event.key === "Escape") this.#row.getButton(this.#tag)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {HTMLElement} button @param {(tag: string) => void} act */
  #onPress(button, act) {
    this.#presses.on(button, () => {
      const tag = this.#tag;
      this.#leaveButton(button);
      act(tag);
    });
  }

  /** @param {string} tag @param {string} chosen  a tag of the page */
  #createReplaceButton(tag, chosen) {
    const button = createButton();
    button.translate = false;
    setText(button, chosen);
    button.setAttribute("aria-label", getText("chipReplace", chosen, tag));
    this.#onPress(button, (current) => this.#actions.replace(current, chosen));
    return button;
  }

  /**
   * Move the focus from a pressed button, which may disappear, back to the chip. After a press by pointer, close the
   * popover.
   *
   * @param {HTMLElement} button
   */
  #leaveButton(button) {
    if (button.matches(":focus")) this.#row.getButton(this.#tag)?.focus();
    else this.#close();
  }

  /** @param {string} tag @param {number} delay  ms */
  #openSoon(tag, delay = OPEN_MS) {
    this.#timer = setTimeout(() => this.#open(tag), delay);
  }

  /** @param {string} tag */
  #open(tag) {
    clearTimeout(this.#timer);
    if (!this.#row.chips.has(tag)) return;
    this.#markChip(false);
    this.#tag = tag;
    this.#markChip(true);
    this.#fill();
    if (!this.#element.matches(":popover-open")) this.#element.showPopover();
    this.#place();
  }

  #closeSoon() {
    this.#pressedTag = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const isHovered = this.#row.element.querySelector(".chip:hover") || this.#element.matches(":hover");
      if (!this.#hasFocus() && !isHovered) this.#close();
    }, CLOSE_MS);
  }

  #close() {
    clearTimeout(this.#timer);
    if (this.#containsFocus()) (this.#row.getButton(this.#tag) ?? { focus: this.#actions.leave }).focus();
    this.#markChip(false);
    this.#tag = "";
    this.#element.hidePopover();
  }

  /** Add the reasons to each chip, for screen readers. */
  #describeChips() {
    for (const [tag, chip] of this.#row.chips) {
      const text = describeForScreenReader(chip);
      const button = this.#row.getButton(tag);
      if (button?.getAttribute("aria-description") !== text) button?.setAttribute("aria-description", text);
    }
  }

  #fill() {
    const chip = this.#row.chips.get(this.#tag);
    if (chip) this.#content.fill(chip, this.#row.replaceable);
  }

  /** Place it below all chips, so that it covers no chip and not the tag field above, and inside the page's width. */
  #place() {
    const chip = this.#row.getButton(this.#tag)?.parentElement?.getBoundingClientRect();
    if (!chip) return;
    const row = this.#row.element;
    const { clientWidth } = document.documentElement;
    const width = this.#element.offsetWidth;
    const start = getComputedStyle(row).direction === "rtl" ? chip.right - width : chip.left;
    const left = Math.max(MARGIN, Math.min(start, clientWidth - width - MARGIN));
    this.#element.style.left = `${left + scrollX}px`;
    this.#element.style.top = `${row.getBoundingClientRect().bottom + GAP + scrollY}px`;
  }

  /** @param {boolean} open */
  #markChip(open) {
    this.#row.getButton(this.#tag)?.parentElement?.toggleAttribute("data-open", open);
  }

  #containsFocus() {
    return this.#element.contains(this.#root.activeElement);
  }

  #hasFocus() {
    return this.#root.activeElement?.matches(".chip *:focus-visible, .about *") ?? false;
  }
}
