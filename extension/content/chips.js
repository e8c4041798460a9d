/** The chips under the tag field: draws what it is told in a shadow root, and says what the writer does. */

import { browser, words } from "../browser.js";
import { button, icon, make, put } from "./elements.js";

/** @typedef {import("../messages.js").Offer} Offer */
/** @typedef {"offered" | "adding" | "chosen" | "dismissed"} Look */
/** @typedef {Offer & {look: Look, never: boolean}} Chip */
/** @typedef {{label: string, run: () => void}} Step  something to do about a note */
/** @typedef {{text: string, steps?: Step[], tag?: string}} Note  `tag`: of interest as long as its chip is shown */

/**
 * @typedef {object} Actions
 * @property {(tag: string) => void} act  a chip was pressed
 * @property {(tag: string) => void} dismiss  its second button was pressed, or Delete
 * @property {(tag: string) => void} banish  never again, in any draft
 * @property {() => void} leave  by Escape, when there is nothing to go back to
 */

/** Offers are announced only after so much calm: a screen reader must not be talked over at every keystroke. */
const CALM_MS = 700;

const CROSS = "M1.2 1.2l5.6 5.6M6.8 1.2L1.2 6.8";
const CHECK = "M.8 4.4L3 6.6L7.2 1.6";
const BACK = "M2.8 .8L.9 2.7l1.9 1.9M.9 2.7h3.7a2.2 2.2 0 010 4.4H2.5";
/** What the second button shows. */
const SIGNS = Object.freeze({ offered: [CROSS], adding: [CROSS], chosen: [CHECK, BACK], dismissed: [BACK] });
const MARK = "M1.5 1.5h4L11 7l-4 4-5.5-5.5zM4 4h.01";
const MOST_STEPS = 2;
/** What explains the chips is loaded once the browser has nothing better to do, but not later than this. */
const EXPLAINED_MS = 1000;

/**
 * @param {Actions} actions
 * @param {AbortSignal} signal
 */
export function createChips(actions, signal) {
  const host = document.createElement("div");
  host.dataset["tagalong"] = "";
  host.lang = words("language");
  const root = host.attachShadow({ mode: "open" });
  // A file, not a <style>: a page's content security policy does not hold for the extension's own files.
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = browser.runtime.getURL("content/chips.css");
  host.style.cssText = "position: absolute; visibility: hidden";
  style.addEventListener("load", () => host.removeAttribute("style"));
  const name = make("span", "name");
  const title = make("span", "title");
  put(title, words("chipsTitle"));
  name.append(icon(MARK, 12), title, make("span", "busy"));
  const noteLine = make("div", "note");
  const noteText = make("span", "");
  const steps = Array.from({ length: MOST_STEPS }, () => button(""));
  noteLine.append(noteText, ...steps);
  const row = make("div", "row");
  row.setAttribute("role", "toolbar");
  row.setAttribute("aria-label", words("chipsTitle"));
  const live = make("div", "live");
  live.setAttribute("role", "status");
  const panel = make("div", "panel");
  // What is done most comes first under the keyboard; the style puts the note beside the name.
  panel.append(name, row, noteLine);
  root.append(style, panel, live);

  /** @type {Map<string, HTMLElement>} */
  const elements = new Map();
  /** @type {Map<string, Chip>} as last drawn */
  let drawn = new Map();
  /** @type {HTMLElement[]} */
  let unwatched = [];
  /** @type {Note | null} */
  let note = null;
  /** @type {import("./about.js").About | undefined} */
  let about;
  let explaining = false;
  /** @type {Element | null} where the shortcut took the keyboard from */
  let cameFrom = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let calm;
  signal.addEventListener("abort", () => clearTimeout(calm));

  steps.forEach((step, index) => step.addEventListener("click", () => note?.steps?.[index]?.run()));
  // The pointer must not take focus from the field that the writer is in.
  root.addEventListener("mousedown", (event) => event.preventDefault());
  row.addEventListener("focusin", ({ target }) => rove(tagOf(/** @type {Element} */ (target))));
  host.addEventListener("focusout", () => {
    // While the page takes a tag, it has the keyboard for a moment.
    if (!row.querySelector('[data-look="adding"]')) cameFrom = null;
  });
  row.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey && key(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  follow(host, signal);

  async function explain() {
    const { createAbout } = await import("./about.js");
    if (!signal.aborted) about = createAbout({ panel, row, chips: () => drawn, tagOf, mainOf }, actions, signal);
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was for us
   */
  function key(event) {
    const tags = onScreen();
    const at = tags.indexOf(tagOf(/** @type {Element} */ (event.target)));
    const forward = getComputedStyle(host).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (event.key === "Delete") actions.dismiss(tags[at] ?? "");
    else if (event.key === "Escape") leave();
    else if (event.key === "Home") mainOf(tags[0])?.focus();
    else if (event.key === "End") mainOf(tags.at(-1))?.focus();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      mainOf(tags[at + (event.key === forward ? 1 : -1)])?.focus();
    } else return false;
    return true;
  }

  function leave() {
    const back = cameFrom;
    cameFrom = null;
    if (back instanceof HTMLElement && back.isConnected && back !== document.body) back.focus();
    else actions.leave();
  }

  /** Only one chip is in the tab order; arrows lead to the others. @param {string | undefined} tag */
  function rove(tag) {
    for (const other of elements.keys()) mainOf(other)?.setAttribute("tabindex", other === tag ? "0" : "-1");
  }

  /** @param {string | undefined} tag @returns {HTMLElement | undefined} */
  function mainOf(tag) {
    return /** @type {HTMLElement | undefined} */ (elements.get(tag ?? "")?.firstElementChild ?? undefined);
  }

  /** The chip that is in the tab order. */
  const current = () => /** @type {HTMLElement | null} */ (row.querySelector('[tabindex="0"]'));

  /** @param {string} tag */
  function createChip(tag) {
    const chip = make("span", "chip");
    chip.dataset["tag"] = tag;
    const main = button("tag");
    main.setAttribute("aria-keyshortcuts", "Delete");
    const label = make("span", "label");
    put(label, tag);
    label.translate = false;
    const bar = make("span", "bar");
    bar.append(document.createElement("i"));
    main.append(label, bar);
    const side = button("side");
    side.tabIndex = -1;
    main.addEventListener("click", () => actions.act(tag));
    side.addEventListener("click", () => actions.dismiss(tag));
    chip.append(main, side);
    unwatched.push(chip);
    return chip;
  }

  /** @param {HTMLElement} element @param {Chip} chip */
  function dress(element, chip) {
    const { tag, score, look } = chip;
    const [main, side] = element.children;
    element.style.setProperty("--score", `${Math.round(score * 100)}%`);
    if (element.dataset["look"] === look) return;
    element.dataset["look"] = look;
    main?.setAttribute("aria-label", words(`chip_${look}`, tag));
    main?.setAttribute("aria-busy", String(look === "adding"));
    side?.setAttribute("aria-label", words(`chipSide_${look}`, tag));
    // A chosen one shows its check, and the way back under the pointer; no chip ever changes its width.
    side?.replaceChildren(...SIGNS[look].map((path) => icon(path, 8)));
  }

  /** @param {Element} element  a chip or a part of one */
  function tagOf(element) {
    return /** @type {HTMLElement | null} */ (element.closest(".chip"))?.dataset["tag"] ?? "";
  }

  /** The tags in the order of their chips. */
  const onScreen = () => Array.from(row.querySelectorAll(".chip"), tagOf);

  /**
   * A chip that stays is not moved by a pixel: those that go leave a gap, new ones fill gaps or follow.
   *
   * @param {Chip[]} chips
   */
  function drawRow(chips) {
    drawn = new Map(chips.map((chip) => [chip.tag, chip]));
    panel.toggleAttribute("data-empty", chips.length === 0);
    for (const [tag, element] of elements) {
      if (drawn.has(tag)) continue;
      const gap = make("span", "gap");
      gap.style.inlineSize = `${spaceOf(element)}px`;
      element.replaceWith(gap);
      elements.delete(tag);
    }
    while (row.lastElementChild?.matches(".gap")) row.lastElementChild.remove();
    for (const chip of chips) {
      const element = elements.get(chip.tag) ?? createChip(chip.tag);
      elements.set(chip.tag, element);
      if (!element.isConnected) settle(element);
      dress(element, chip);
    }
    const gaps = row.querySelectorAll(".gap");
    // Where there is no room for gaps, the chips close up.
    if (gaps.length > 0 && (row.scrollWidth > row.clientWidth || row.scrollHeight > row.clientHeight)) {
      for (const gap of gaps) gap.remove();
      for (const element of elements.values()) element.style.marginInlineEnd = "";
    }
    const tags = onScreen();
    const kept = tagOf(current() ?? row);
    rove(tags.includes(kept) ? kept : tags[0]);
  }

  /** Puts a new chip into the first gap that is wide enough, or behind the last chip. @param {HTMLElement} element */
  function settle(element) {
    row.append(element);
    const gaps = Array.from(row.querySelectorAll(".gap"));
    // Nothing is measured in vain: it would make the browser lay out the whole page at once.
    if (gaps.length === 0) return;
    const width = spaceOf(element);
    const gap = gaps.find((gap) => spaceOf(gap) >= width);
    if (!gap) return;
    element.style.marginInlineEnd = `${spaceOf(gap) - width}px`;
    gap.replaceWith(element);
  }

  /** @param {Element} element @returns {number} pixels that it takes in the row, what it leaves of a gap included */
  function spaceOf(element) {
    return element.getBoundingClientRect().width + (parseFloat(getComputedStyle(element).marginInlineEnd) || 0);
  }

  /** @param {Note | null} next */
  function drawNote(next) {
    note = next;
    noteLine.hidden = note === null;
    panel.toggleAttribute("data-noted", note !== null);
    put(noteText, note?.text ?? "");
    noteText.title = note?.text ?? "";
    steps.forEach((step, index) => {
      put(step, note?.steps?.[index]?.label ?? "");
      step.hidden = step.textContent === "";
    });
  }

  /** Says what has just happened to those who do not see it. @param {string} text */
  function announce(text) {
    put(live, text);
  }

  return {
    host,
    tagOf,

    /** @param {string} tag @returns {number} from 1 on screen; 0: no chip */
    positionOf: (tag) => onScreen().indexOf(tag) + 1,

    /** @param {string} tag @returns {HTMLElement} */
    elementOf: (tag) => /** @type {HTMLElement} */ (elements.get(tag)),

    /** Whether the pointer or the keyboard is on the tag's chip, or on what explains it. @param {string} tag */
    inUse(tag) {
      const element = elements.get(tag);
      return element !== undefined && (element.matches(":hover, [data-open]") || element.contains(root.activeElement));
    },

    /** Chips made since the last call. @returns {HTMLElement[]} */
    takeNew() {
      const taken = unwatched;
      unwatched = [];
      return taken;
    },

    /** @param {{chips: Chip[], busy: boolean, note: Note | null}} picture */
    draw({ chips, busy, note }) {
      const step = steps.find((step) => step === root.activeElement);
      // Another note, or another place for it, is another thing: put in anew, nothing is seen to move.
      const moved = panel.hasAttribute("data-empty") !== (chips.length === 0);
      if (moved || noteText.textContent !== (note?.text ?? "")) panel.append(noteLine);
      drawRow(chips);
      drawNote(note);
      // The button that had the keyboard may be gone: it must not fall back to the page's beginning.
      if (step && !root.activeElement) ((step.hidden ? current() : step) ?? { focus: actions.leave }).focus();
      panel.toggleAttribute("data-busy", busy);
      about?.refresh();
      if (explaining || chips.length === 0) return;
      explaining = true;
      requestIdleCallback(explain, { timeout: EXPLAINED_MS });
    },

    /** The shortcut: leads the keyboard to the chips, or to what there is to do instead; again, and it goes back. */
    focus() {
      if (root.activeElement) return leave();
      const target = current() ?? steps.find((step) => !noteLine.hidden && !step.hidden);
      if (!target) return announce(noteText.textContent || words("chipsTitle"));
      cameFrom = document.activeElement;
      // The browser may keep the shortcut's key to itself, and then does not know that it was the keyboard.
      target.focus({ focusVisible: true });
    },

    announce,

    /** The same for what came by itself, once all is calm. @param {string} text */
    announceCalmly(text) {
      clearTimeout(calm);
      calm = setTimeout(announce, CALM_MS, text);
    },
  };
}

/** Keeps the host's theme and direction as the page's are. @param {HTMLElement} host @param {AbortSignal} signal */
function follow(host, signal) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const update = () => {
    const { classList } = document.body;
    const dark = classList.contains("theme-dark") || (classList.contains("theme-system") && system.matches);
    host.toggleAttribute("data-dark", dark);
    host.toggleAttribute("data-contrast", classList.contains("theme-highcontrast"));
    host.dir = getComputedStyle(document.documentElement).direction;
  };
  const observer = new MutationObserver(update);
  observer.observe(document.body, { attributeFilter: ["class"] });
  observer.observe(document.documentElement, { attributeFilter: ["dir"] });
  system.addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  update();
}
