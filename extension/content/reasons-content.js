/** What the popover of a chip shows: why the tag is suggested, and what else can be done about it. */

import { getText } from "../shared/i18n.js";
import { createButton, createElement, setText } from "./chips/elements.js";

/** @typedef {import("./chips/panel.js").Chip} Chip */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */

const plural = new Intl.PluralRules(getText("language"));
/** What the language puts between thousands. Not by Intl.NumberFormat: the first one blocks the page for 10 ms. */
const THOUSANDS_SEPARATOR = getText("thousand").slice(1, -3);

/**
 * Return why a tag is suggested, and how sure that is, in words.
 *
 * @param {SuggestedTag} suggestion
 * @returns {{sure: string, because: string, uses: string}}
 */
function describeSuggestion({ score, because, uses }) {
  return {
    sure: getText("chipSure", Math.round(score * 100)),
    because: because.length > 0 ? because.join(", ") : getText("chipBecauseAll"),
    uses: getText(`chipUses_${plural.select(uses)}`, String(uses).replace(/\B(?=(\d{3})+$)/g, THOUSANDS_SEPARATOR)),
  };
}

/** Return the same for screen readers, as one text. @param {SuggestedTag} suggestion */
export function describeForScreenReader(suggestion) {
  const { sure, because, uses } = describeSuggestion(suggestion);
  return getText("chipReasons", sure, because, uses);
}

export class ReasonsContent {
  element = createElement("div", "about");
  dismissButton = createButton();
  blockButton = createButton();
  #name = createElement("b");
  #sure = createElement("span");
  #because = createElement("dd", "because");
  #uses = createElement("dd");
  #full = createElement("p", "full");
  #choice = createElement("div", "choice");
  #createReplaceButton;

  /** @param {(tag: string, chosen: string) => HTMLElement} createReplaceButton */
  constructor(createReplaceButton) {
    this.#createReplaceButton = createReplaceButton;
    this.#name.translate = false;
    setText(this.blockButton, getText("chipNever"));
    const heading = createElement("p", "heading");
    heading.append(this.#name, this.#sure);
    const reasons = createElement("dl");
    reasons.append(createTerm(getText("chipBecause")), this.#because, createTerm(getText("chipLearned")), this.#uses);
    const buttons = createElement("p", "buttons");
    buttons.append(this.dismissButton, this.blockButton);
    this.element.setAttribute("role", "group");
    this.element.append(heading, reasons, this.#full, this.#choice, buttons);
  }

  /** The buttons that are shown, in their order. @returns {HTMLElement[]} */
  get buttons() {
    return Array.from(this.element.querySelectorAll("button:not([hidden])"));
  }

  /** The first button that replaces a chosen tag. */
  get firstReplaceButton() {
    return this.#choice.querySelector("button");
  }

  /** @param {Chip} chip @param {string[]} replaceable  chosen tags; empty where there is room for another tag */
  fill(chip, replaceable) {
    const { sure, because, uses } = describeSuggestion(chip);
    this.element.setAttribute("aria-label", getText("chipAbout", chip.tag));
    setText(this.#name, chip.tag);
    setText(this.#sure, sure);
    setText(this.#because, because);
    setText(this.#uses, uses);
    setText(this.dismissButton, getText(`chipStep_${chip.look}`));
    this.dismissButton.hidden = chip.look === "adding";
    this.blockButton.hidden = this.dismissButton.hidden || chip.look === "chosen" || chip.blocked;
    this.#fillChoice(chip.tag, chip.look === "offered" ? replaceable : []);
  }

  /** @param {string} tag @param {string[]} replaceable */
  #fillChoice(tag, replaceable) {
    this.#full.hidden = this.#choice.hidden = replaceable.length === 0;
    const choice = [tag, ...replaceable].join(" ");
    if (this.#choice.dataset["choice"] === choice) return;
    this.#choice.dataset["choice"] = choice;
    setText(this.#full, getText("chipFull", replaceable.length, tag));
    this.#choice.replaceChildren(...replaceable.map((chosen) => this.#createReplaceButton(tag, chosen)));
  }
}

/** @param {string} text */
function createTerm(text) {
  const term = createElement("dt");
  setText(term, text);
  return term;
}
