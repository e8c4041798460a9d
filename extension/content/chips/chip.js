/** One chip: a button that adds the tag, its score, and a second button that dismisses it. */

import { getText } from "../../shared/i18n.js";
import { createButton, createElement, createIcon, setText } from "./elements.js";

/** @typedef {import("./panel.js").Chip} Chip */
/** @typedef {import("./panel.js").Look} Look */

const CROSS = "M1.2 1.2l5.6 5.6M6.8 1.2L1.2 6.8";
const CHECK = "M.8 4.4L3 6.6L7.2 1.6";
const BACK = "M2.8 .8L.9 2.7l1.9 1.9M.9 2.7h3.7a2.2 2.2 0 010 4.4H2.5";
/** The icons of the second button. */
const SIDE_ICONS = Object.freeze({ offered: [CROSS], adding: [CROSS], chosen: [CHECK, BACK], dismissed: [BACK] });

/**
 * @param {string} tag
 * @param {Pick<import("./panel.js").ChipActions, "toggle" | "dismiss">} actions
 * @param {import("./presses.js").Presses} presses
 */
export function createChip(tag, actions, presses) {
  const chip = createElement("span", "chip");
  chip.dataset["tag"] = tag;
  const main = createButton("tag");
  main.setAttribute("aria-keyshortcuts", "Delete");
  const label = createElement("span", "label");
  setText(label, tag);
  label.translate = false;
  const bar = createElement("span", "bar");
  bar.append(document.createElement("i"));
  main.append(label, bar);
  const side = createButton("side");
  side.tabIndex = -1;
  presses.on(main, () => actions.toggle(tag));
  presses.on(side, () => actions.dismiss(tag));
  chip.append(main, side);
  return chip;
}

/**
 * @param {HTMLElement} element
 * @param {Chip} chip
 * @param {boolean} full  the question has all its tags: this one could only replace another
 */
export function updateChip(element, { tag, score, look }, full) {
  const [main, side] = element.children;
  element.style.setProperty("--score", `${Math.round(score * 100)}%`);
  const replaces = full && look === "offered";
  element.toggleAttribute("data-full", replaces);
  const label = replaces ? getText("chipReplaces", tag) : getText(`chip_${look}`, tag);
  if (main?.ariaLabel !== label) main?.setAttribute("aria-label", label);
  if (element.dataset["look"] === look) return;
  element.dataset["look"] = look;
  main?.setAttribute("aria-busy", String(look === "adding"));
  side?.setAttribute("aria-label", getText(`chipSide_${look}`, tag));
  // A chosen one shows its check, and the way back under the pointer; no chip ever changes its width.
  side?.replaceChildren(...SIDE_ICONS[look].map((path) => createIcon(path, 8)));
}

/** @param {Element} element  a chip or a part of one */
export const getTag = (element) => /** @type {HTMLElement | null} */ (element.closest(".chip"))?.dataset["tag"] ?? "";
