/** The row of chips: which are there, where each of them stands, and to which the keyboard comes. */

import { getText } from "../../shared/i18n.js";
import { createChip, dress, tagOf } from "./chip.js";
import { make } from "./elements.js";
import { arrange } from "./layout.js";

/** @typedef {import("./panel.js").Actions} Actions */
/** @typedef {import("./panel.js").Chip} Chip */
/** @typedef {ReturnType<typeof createRow>} Row */

/** What explains the chips is loaded once the browser has nothing better to do, but not later than this. */
const EXPLAINED_MS = 1000;

/**
 * @typedef {object} Surroundings
 * @property {HTMLElement} panel
 * @property {Actions} actions
 * @property {import("./presses.js").Presses} presses
 * @property {(chip: HTMLElement) => void} made  a new chip is there
 * @property {() => void} leave  by Escape
 * @property {AbortSignal} signal
 */

/** @param {Surroundings} surroundings */
export function createRow({ panel, actions, presses, made, leave, signal }) {
  const row = make("div", "row");
  row.setAttribute("role", "toolbar");
  row.setAttribute("aria-label", getText("chipsTitle"));
  const root = /** @type {ShadowRoot} */ (panel.getRootNode());
  /** @type {Map<string, HTMLElement>} */
  const elements = new Map();
  /** @type {Map<string, Chip>} as last drawn */
  let drawn = new Map();
  /** @type {string[]} chosen tags that could make room for another; empty where there is room */
  let replaceable = [];
  /** The order that was last arranged, and what stayed then. */
  let arranged = "";
  /** Whether chips that stay have left holes before them. */
  let holes = false;
  /** @type {Promise<import("../reasons-popover.js").About | undefined> | undefined} */
  let explaining;
  /** @type {import("../reasons-popover.js").About | undefined} */
  let about;

  row.addEventListener("focusin", rove);
  row.addEventListener("focusout", settleLater);
  row.addEventListener("pointerleave", settleLater);
  row.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey && key(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });

  return { element: row, draw, positionOf, elementOf, inUse, current, offerReplacing };

  /** @param {string} tag @returns {HTMLElement | undefined} */
  function elementOf(tag) {
    return elements.get(tag);
  }

  /** @param {string} tag @returns {number} from 1 on screen; 0: no chip */
  function positionOf(tag) {
    return onScreen().indexOf(tag) + 1;
  }

  /** Whether the pointer or the keyboard is on the tag's chip, or on what explains it. @param {string} tag */
  function inUse(tag) {
    const element = elements.get(tag);
    return element !== undefined && (element.matches(":hover, [data-open]") || element.contains(root.activeElement));
  }

  /**
   * @param {Chip[]} chips  in their order
   * @param {string[]} chosen  tags that could make room for another; empty where there is room
   */
  function draw(chips, chosen) {
    drawn = new Map(chips.map((chip) => [chip.tag, chip]));
    replaceable = chosen;
    place(chips);
    for (const chip of chips) {
      const element = /** @type {HTMLElement} */ (elements.get(chip.tag));
      const added = element.dataset["look"] === "adding" && chip.look !== "adding";
      if (added && element.firstElementChild) presses.end(element.firstElementChild);
      dress(element, chip, replaceable.length > 0);
    }
    rove();
    about?.refresh();
    if (chips.length > 0 && !explaining) requestIdleCallback(explain, { timeout: EXPLAINED_MS });
  }

  /**
   * Puts the chips into their order, but for those in use and those just settled: they stay where they are, to the
   * pixel, and the others go around them.
   *
   * @param {Chip[]} chips
   */
  function place(chips) {
    const order = chips.map(({ tag }) => tag);
    const staying = chips.filter(({ tag, stays }) => elements.has(tag) && (stays || inUse(tag)));
    const state = JSON.stringify([order, staying.map(({ tag }) => tag)]);
    const inOrder = !holes && onScreen().join(" ") === order.join(" ");
    if (inOrder || state === arranged) return;
    arranged = state;
    const fixed = staying.map(({ tag }) => placeOf(tag));
    fixed.sort((one, other) => one.line - other.line || one.start - other.start);
    for (const [tag, element] of elements) {
      if (drawn.has(tag)) continue;
      element.remove();
      elements.delete(tag);
    }
    for (const chip of chips) if (!elements.has(chip.tag)) add(chip);
    const others = order.filter((tag) => !fixed.some((stays) => stays.tag === tag));
    if (fixed.length === 0) return put(others.map((tag) => ({ tag, margin: 0 })), []);
    const { width, gap } = measure();
    const free = others.map((tag) => ({ tag, width: boxOf(tag).width }));
    put(arrange(fixed, free, width, gap), fixed.map(({ tag }) => tag));
  }

  /** @param {Chip} chip */
  function add(chip) {
    const element = createChip(chip.tag, actions, presses);
    elements.set(chip.tag, element);
    dress(element, chip, replaceable.length > 0);
    row.append(element);
    made(element);
  }

  /**
   * All but those that stay are put in anew: to the browser, what was not there before has not moved.
   *
   * @param {import("./layout.js").Item[]} items
   * @param {string[]} fixed
   */
  function put(items, fixed) {
    for (const element of [...row.children]) if (!fixed.includes(tagOf(element))) element.remove();
    holes = false;
    /** @type {Element | null} */
    let after = null;
    for (const item of items.toReversed()) {
      const element = "fill" in item ? make("span", "gap") : /** @type {HTMLElement} */ (elements.get(item.tag));
      const [property, size] = "fill" in item ? ["inline-size", item.fill] : ["margin-inline-start", item.margin];
      element.style.setProperty(property, size > 0 ? `${size}px` : "");
      holes ||= size > 0;
      if (!element.isConnected) row.insertBefore(element, after);
      after = element;
    }
  }

  /** The room that chips have in a line, in pixels, and the gap between two of them. */
  function measure() {
    const { flexWrap, columnGap, paddingInlineStart, paddingInlineEnd } = getComputedStyle(row);
    const inner = row.clientWidth - parseFloat(paddingInlineStart) - parseFloat(paddingInlineEnd);
    return { width: flexWrap === "wrap" ? inner : Infinity, gap: parseFloat(columnGap) };
  }

  /** @param {string} tag */
  function placeOf(tag) {
    const [box, around] = [boxOf(tag), row.getBoundingClientRect()];
    const { direction, columnGap, paddingInlineStart, paddingBlockStart } = getComputedStyle(row);
    const aside = direction === "rtl" ? around.right - box.right : box.left - around.left;
    const down = box.top - around.top + row.scrollTop - parseFloat(paddingBlockStart);
    return {
      tag,
      width: box.width,
      line: Math.round(down / (box.height + parseFloat(columnGap))),
      start: aside + Math.abs(row.scrollLeft) - parseFloat(paddingInlineStart),
    };
  }

  /** @param {string} tag */
  function boxOf(tag) {
    return /** @type {HTMLElement} */ (elements.get(tag)).getBoundingClientRect();
  }

  /** Once nobody is at a chip any more, it takes its place in the order. */
  function settleLater() {
    setTimeout(() => {
      if (!signal.aborted) draw([...drawn.values()], replaceable);
    });
  }

  /** The tags in the order of their chips. */
  function onScreen() {
    return Array.from(row.querySelectorAll(".chip"), tagOf);
  }

  /**
   * One chip is in the tab order: that with the keyboard, else the first on offer, so that who comes and presses
   * Enter takes no tag out again. Arrows lead to the others.
   */
  function rove() {
    const tags = onScreen();
    const here = root.activeElement && row.contains(root.activeElement) ? tagOf(root.activeElement) : undefined;
    const stop = here ?? tags.find((tag) => drawn.get(tag)?.look === "offered") ?? tags[0];
    for (const tag of tags) mainOf(tag)?.setAttribute("tabindex", tag === stop ? "0" : "-1");
  }

  /** The chip that is in the tab order. @returns {HTMLElement | null} */
  function current() {
    return row.querySelector('[tabindex="0"]');
  }

  /** @param {string | undefined} tag @returns {HTMLElement | undefined} */
  function mainOf(tag) {
    return /** @type {HTMLElement | undefined} */ (elements.get(tag ?? "")?.firstElementChild ?? undefined);
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was for us
   */
  function key(event) {
    const tags = onScreen();
    const at = tags.indexOf(tagOf(/** @type {Element} */ (event.target)));
    const forward = getComputedStyle(row).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (event.key === "Escape") leave();
    else if (event.key === "Home") mainOf(tags[0])?.focus();
    else if (event.key === "End") mainOf(tags.at(-1))?.focus();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      mainOf(tags[at + (event.key === forward ? 1 : -1)])?.focus();
    } else return false;
    return true;
  }

  function explain() {
    return (explaining ??= import("../reasons-popover.js").then(({ createAbout }) => {
      if (signal.aborted) return undefined;
      const chosen = () => replaceable;
      return (about = createAbout({ panel, row, presses, chips: () => drawn, chosen, mainOf }, actions, signal));
    }));
  }

  /** Asks which of the chosen tags the one of this chip is to replace. @param {string} tag */
  async function offerReplacing(tag) {
    const byKeyboard = mainOf(tag) === root.activeElement;
    (await explain())?.offerReplacing(tag, byKeyboard);
  }
}
