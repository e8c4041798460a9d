/**
 * Says why a tag is suggested, and offers to say no, or to replace a chosen tag where the page takes no more: a small
 * popover below the chip that has pointer or keyboard.
 */

import { getText } from "../shared/i18n.js";
import { tagOf } from "./chips/chip.js";
import { button, make, put } from "./chips/elements.js";

/** @typedef {import("./chips/panel.js").Actions} Actions */
/** @typedef {import("./chips/panel.js").Chip} Chip */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */

/** A pointer that only passes opens nothing. */
const OPENS_MS = 350;
/** Once one is open: a pointer on its way to it may cross other chips. */
const SWITCHES_MS = 150;
/** Time for the pointer to cross the gap between chip and popover. */
const CLOSES_MS = 200;
const GAP = 6;
const MARGIN = 8;

/**
 * @typedef {object} Row  the chips, as the popover needs them
 * @property {HTMLElement} panel
 * @property {HTMLElement} row
 * @property {import("./chips/presses.js").Presses} presses
 * @property {() => Map<string, Chip>} chips  as last drawn, by tag
 * @property {() => string[]} chosen  tags that could make room for another; empty where there is room
 * @property {(tag: string) => HTMLElement | undefined} mainOf  the chip's first button
 */

/** @typedef {ReturnType<typeof createAbout>} About */

const plural = new Intl.PluralRules(getText("language"));
/** What the language puts between thousands. Not by Intl.NumberFormat: the first one holds a page up for 10 ms. */
const COMMA = getText("thousand").slice(1, -3);

/**
 * The words that say why a tag is suggested, and how sure that is.
 *
 * @param {SuggestedTag} offer
 * @returns {{sure: string, because: string, uses: string}}
 */
function reasonsOf({ score, because, uses }) {
  return {
    sure: getText("chipSure", Math.round(score * 100)),
    because: because.length > 0 ? because.join(", ") : getText("chipBecauseAll"),
    uses: getText(`chipUses_${plural.select(uses)}`, String(uses).replace(/\B(?=(\d{3})+$)/g, COMMA)),
  };
}

/**
 * @param {Row} row
 * @param {Actions} actions
 * @param {AbortSignal} signal
 */
export function createAbout({ panel, row, presses, chips, chosen, mainOf }, actions, signal) {
  const popover = make("div", "about");
  // In the browser's top layer: no part of the page can cut it off, and it moves none.
  popover.popover = "manual";
  popover.setAttribute("role", "group");
  const name = make("b", "");
  name.translate = false;
  const sure = make("span", "");
  const heading = make("p", "heading");
  heading.append(name, sure);
  const [because, uses] = [make("dd", "because"), make("dd", "")];
  const reasons = make("dl", "");
  reasons.append(term(getText("chipBecause")), because, term(getText("chipLearned")), uses);
  const [no, never] = [button(""), button("")];
  put(never, getText("chipNever"));
  const buttons = make("p", "buttons");
  buttons.append(no, never);
  const full = make("p", "full");
  const room = make("div", "choice");
  popover.append(heading, reasons, full, room, buttons);
  row.after(popover);

  /** The tag it is about; empty while closed. */
  let tag = "";
  /** The tag whose chip was just pressed, while the pointer is still on it. */
  let done = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  for (const [step, work] of /** @type {const} */ ([[no, actions.dismiss], [never, actions.banish]])) {
    presses.on(step, () => {
      const about = tag;
      finish(step);
      work(about);
    });
  }

  row.addEventListener("pointerover", overChip);
  row.addEventListener("pointerleave", closeSoon);
  // Who has decided needs no reasons, and what lies below is free again; until the pointer comes back to the chip.
  row.addEventListener("pointerup", ({ target }) => {
    close();
    done = tagOf(/** @type {Element} */ (target));
  });
  popover.addEventListener("pointerenter", () => clearTimeout(timer));
  popover.addEventListener("pointerleave", closeSoon);
  row.addEventListener("focusin", focused);
  panel.addEventListener("focusout", closeSoon);
  row.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      open(tagOf(/** @type {Element} */ (event.target)));
      buttonsShown()[0]?.focus();
    } else if (event.key === "ArrowUp") close();
    else return;
    event.preventDefault();
  });
  popover.addEventListener("keydown", (event) => {
    const steps = buttonsShown();
    const at = steps.findIndex((step) => step.matches(":focus"));
    if (event.key === "ArrowDown") steps[at + 1]?.focus();
    else if (event.key === "ArrowUp") (steps[at - 1] ?? mainOf(tag))?.focus();
    else if (event.key === "Escape") mainOf(tag)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const escaped = (/** @type {KeyboardEvent} */ { key }) => key === "Escape" && !hasFocus() && close();
  document.addEventListener("keydown", escaped, { signal, capture: true });
  const elsewhere = (/** @type {Event} */ { target }) => target !== /** @type {ShadowRoot} */ (panel.getRootNode()).host;
  document.addEventListener("pointerdown", (event) => elsewhere(event) && close(), { signal, capture: true });

  describe();
  const [hovered, keyed] = [row.querySelector(".chip:hover"), row.querySelector(":focus-visible")];
  if (keyed) open(tagOf(keyed));
  else if (hovered && chips().get(tagOf(hovered))?.look === "offered") openSoon(tagOf(hovered));

  /** @param {PointerEvent} event */
  function overChip({ target, pointerType }) {
    const over = tagOf(/** @type {Element} */ (target));
    // A finger that takes a tag hovers over it, too.
    if (over === "" || pointerType === "touch") return;
    if (over === done) return;
    done = "";
    clearTimeout(timer);
    if (over === tag || popover.contains(focusedElement())) return;
    openSoon(over, tag === "" ? OPENS_MS : SWITCHES_MS);
  }

  /** @param {FocusEvent} event */
  function focused({ target }) {
    const element = /** @type {Element} */ (target);
    if (element.matches(":focus-visible")) open(tagOf(element));
  }

  /** @param {string} next @param {number} wait  ms */
  function openSoon(next, wait = OPENS_MS) {
    timer = setTimeout(open, wait, next);
  }

  /** @param {string} next */
  function open(next) {
    clearTimeout(timer);
    if (!chips().has(next)) return;
    mark(false);
    tag = next;
    mark(true);
    fill();
    if (!popover.matches(":popover-open")) popover.showPopover();
    place();
  }

  /** Its buttons, in their order. @returns {HTMLElement[]} */
  function buttonsShown() {
    return Array.from(popover.querySelectorAll("button:not([hidden])"));
  }

  /**
   * One of its buttons was pressed, and may go: the keyboard, if it is there, goes back to the chip. A pointer has
   * done what it came for.
   *
   * @param {HTMLElement} step
   */
  function finish(step) {
    if (step.matches(":focus")) mainOf(tag)?.focus();
    else close();
  }

  function closeSoon() {
    done = "";
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!hasFocus() && !row.querySelector(".chip:hover") && !popover.matches(":hover")) close();
    }, CLOSES_MS);
  }

  function close() {
    clearTimeout(timer);
    if (popover.contains(focusedElement())) (mainOf(tag) ?? { focus: actions.leave }).focus();
    mark(false);
    tag = "";
    popover.hidePopover();
  }

  /** The reasons for those who hear the chips. */
  function describe() {
    for (const [tag, chip] of chips()) {
      const { sure, because, uses } = reasonsOf(chip);
      const text = getText("chipReasons", sure, because, uses);
      const main = mainOf(tag);
      if (main?.getAttribute("aria-description") !== text) main?.setAttribute("aria-description", text);
    }
  }

  function fill() {
    const chip = /** @type {Chip} */ (chips().get(tag));
    const reason = reasonsOf(chip);
    popover.setAttribute("aria-label", getText("chipAbout", tag));
    put(name, tag);
    put(sure, reason.sure);
    put(because, reason.because);
    put(uses, reason.uses);
    put(no, getText(`chipStep_${chip.look}`));
    no.hidden = chip.look === "adding";
    never.hidden = no.hidden || chip.look === "chosen" || chip.never;
    fillRoom(chip.look === "offered" ? chosen() : []);
  }

  /** Offers to replace one of the page's tags. @param {string[]} others  empty where there is no need */
  function fillRoom(others) {
    full.hidden = room.hidden = others.length === 0;
    const choice = [tag, ...others].join(" ");
    if (room.dataset["choice"] === choice) return;
    room.dataset["choice"] = choice;
    put(full, getText("chipFull", others.length, tag));
    room.replaceChildren(...others.map((other) => replacing(other)));
  }

  /** @param {string} other  a chosen tag */
  function replacing(other) {
    const step = button("");
    step.translate = false;
    put(step, other);
    step.setAttribute("aria-label", getText("chipReplace", other, tag));
    presses.on(step, () => {
      const about = tag;
      finish(step);
      actions.replace(about, other);
    });
    return step;
  }

  /** Below all chips, so that it covers neither another chip nor the tag field above, and inside the page's width. */
  function place() {
    const chip = mainOf(tag)?.parentElement?.getBoundingClientRect();
    if (!chip) return;
    const { clientWidth } = document.documentElement;
    const width = popover.offsetWidth;
    const start = getComputedStyle(row).direction === "rtl" ? chip.right - width : chip.left;
    const left = Math.max(MARGIN, Math.min(start, clientWidth - width - MARGIN));
    popover.style.left = `${left + scrollX}px`;
    popover.style.top = `${row.getBoundingClientRect().bottom + GAP + scrollY}px`;
  }

  /** @param {boolean} open */
  function mark(open) {
    mainOf(tag)?.parentElement?.toggleAttribute("data-open", open);
  }

  const focusedElement = () => /** @type {ShadowRoot} */ (panel.getRootNode()).activeElement;
  const hasFocus = () => focusedElement()?.matches(".chip *:focus-visible, .about *") ?? false;

  return {
    /** The chips were drawn anew: what is open follows its chip, or goes with it. */
    refresh() {
      describe();
      if (tag === "") return;
      if (!chips().has(tag)) return close();
      fill();
      place();
    },

    /**
     * The chip was pressed, but the page takes no more tags.
     *
     * @param {string} next
     * @param {boolean} byKeyboard  then it goes to the first choice
     */
    offerReplacing(next, byKeyboard) {
      open(next);
      if (byKeyboard) room.querySelector("button")?.focus();
    },
  };
}

/** @param {string} text */
function term(text) {
  const made = make("dt", "");
  put(made, text);
  return made;
}
