/** The row of chips. */

import { getText } from "../../shared/i18n.js";
import { createChip, getTag, updateChip } from "./chip.js";
import { createElement } from "./elements.js";
import { watchImpressions } from "./impressions.js";
import { ChipPlacement } from "./placement.js";
import { RovingFocus } from "./roving-focus.js";

/** @typedef {import("./panel.js").ChipActions} ChipActions */
/** @typedef {import("./panel.js").Chip} Chip */
/** @typedef {import("../reasons-popover.js").ReasonsPopover} ReasonsPopover */

/** The popover is loaded once the browser is idle, but not later than this. */
const POPOVER_MS = 1000;

/**
 * @typedef {object} RowContext
 * @property {HTMLElement} panel
 * @property {ChipActions} actions
 * @property {import("./presses.js").Presses} presses
 * @property {(tag: string) => void} onView  called when the writer has seen its chip
 * @property {() => void} leave  called at Escape
 * @property {AbortSignal} signal
 */

export class ChipRow {
  element = createElement("div", "row");
  /** @type {Map<string, Chip>} as last drawn, by tag */
  chips = new Map();
  /** @type {string[]} chosen tags that could be replaced; empty where there is room for another tag */
  replaceable = [];
  #context;
  #root;
  /** @type {Map<string, HTMLElement>} by tag */
  #elements = new Map();
  #placement = new ChipPlacement(this.element, this.#elements);
  #focus;
  #impressions;
  /** @type {Promise<ReasonsPopover | undefined> | undefined} */
  #loading;
  /** @type {ReasonsPopover | undefined} */
  #popover;

  /** @param {RowContext} context */
  constructor(context) {
    this.#context = context;
    this.#root = /** @type {ShadowRoot} */ (context.panel.getRootNode());
    this.element.setAttribute("role", "toolbar");
    this.element.setAttribute("aria-label", getText("chipsTitle"));
    const isOffered = (/** @type {string} */ tag) => this.chips.get(tag)?.look === "offered";
    this.#focus = new RovingFocus(this.element, this.#root, isOffered, context.leave);
    this.#impressions = watchImpressions((chip) => context.onView(getTag(chip)), context.signal);
    this.element.addEventListener("focusout", () => this.#redrawLater());
    this.element.addEventListener("pointerleave", () => this.#redrawLater());
  }

  /** The button that is in the tab order. */
  get focusable() {
    return this.#focus.current;
  }

  /** Count the chip's next view, whether or not it was seen before. @param {string} tag */
  watchAgain(tag) {
    const element = this.#elements.get(tag);
    if (element) this.#impressions.watch(element);
  }

  /** @param {string | undefined} tag @returns {HTMLElement | undefined} the first button of its chip */
  getButton(tag) {
    return /** @type {HTMLElement | undefined} */ (this.#elements.get(tag ?? "")?.firstElementChild ?? undefined);
  }

  /** @param {string} tag @returns {number} from 1 on screen; 0 if it has no chip */
  getPosition(tag) {
    return this.#placement.order.indexOf(tag) + 1;
  }

  /** Whether pointer or focus are on the tag's chip, or on its popover. @param {string} tag */
  isInUse(tag) {
    const element = this.#elements.get(tag);
    return (
      element !== undefined && (element.matches(":hover, [data-open]") || element.contains(this.#root.activeElement))
    );
  }

  /**
   * @param {Chip[]} chips  in their order
   * @param {string[]} replaceable
   */
  draw(chips, replaceable) {
    this.chips = new Map(chips.map((chip) => [chip.tag, chip]));
    this.replaceable = replaceable;
    this.#place(chips);
    for (const chip of chips) {
      const element = /** @type {HTMLElement} */ (this.#elements.get(chip.tag));
      const added = element.dataset["look"] === "adding" && chip.look !== "adding";
      if (added && element.firstElementChild) this.#context.presses.end(element.firstElementChild);
      updateChip(element, chip, replaceable.length > 0);
    }
    this.#focus.update();
    this.#popover?.refresh();
    if (chips.length > 0 && !this.#loading) requestIdleCallback(() => this.#loadPopover(), { timeout: POPOVER_MS });
  }

  /** Ask which of the chosen tags this one is to replace. @param {string} tag */
  async offerReplacing(tag) {
    const focused = this.getButton(tag) === this.#root.activeElement;
    (await this.#loadPopover())?.offerReplacing(tag, focused);
  }

  /**
   * Put the chips into their order, except for those in use and those just settled: they stay where they are.
   *
   * @param {Chip[]} chips
   */
  #place(chips) {
    const order = chips.map(({ tag }) => tag);
    const fixed = chips
      .filter(({ tag, stays }) => this.#elements.has(tag) && (stays || this.isInUse(tag)))
      .map(({ tag }) => tag);
    if (!this.#placement.isOutdated(order, fixed)) return;
    const measured = this.#placement.measureFixed(fixed);
    for (const [tag, element] of this.#elements) {
      if (this.chips.has(tag)) continue;
      element.remove();
      this.#elements.delete(tag);
    }
    for (const chip of chips) if (!this.#elements.has(chip.tag)) this.#add(chip);
    this.#placement.place(order, measured);
  }

  /** @param {Chip} chip */
  #add(chip) {
    const { actions, presses } = this.#context;
    const element = createChip(chip.tag, actions, presses);
    this.#elements.set(chip.tag, element);
    updateChip(element, chip, this.replaceable.length > 0);
    this.element.append(element);
    this.#impressions.watch(element);
  }

  /** Redraw once a chip is no longer in use, so that it moves to its place in the order. */
  #redrawLater() {
    setTimeout(() => {
      if (!this.#context.signal.aborted) this.draw([...this.chips.values()], this.replaceable);
    });
  }

  #loadPopover() {
    const { panel, presses, actions, signal } = this.#context;
    return (this.#loading ??= import("../reasons-popover.js").then(({ ReasonsPopover }) => {
      if (signal.aborted) return undefined;
      return (this.#popover = new ReasonsPopover(panel, this, presses, actions, signal));
    }));
  }
}
