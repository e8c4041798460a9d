/** The chips under the tag field: draws what it is told in a shadow root, and says what the writer does. */

import { browser, words } from "../browser.js";

/** @typedef {"offered" | "adding" | "chosen" | "dismissed"} Look */
/** @typedef {{tag: string, score: number, look: Look}} Chip */
/** @typedef {{text: string, action?: string, run?: () => void}} Note */

/**
 * @typedef {object} Actions
 * @property {(tag: string) => void} act  a chip was pressed
 * @property {(tag: string) => void} dismiss  its second button was pressed, or Delete
 * @property {() => void} leave  by Escape, when there is nothing to go back to
 */

/** Announced only after so much calm: a screen reader must not be talked over at every keystroke. */
const CALM_MS = 700;

const SVG = "http://www.w3.org/2000/svg";
const CROSS = "M1.2 1.2l5.6 5.6M6.8 1.2L1.2 6.8";
const CHECK = "M.8 4.4L3 6.6L7.2 1.6";
const BACK = "M2.8 .8L.9 2.7l1.9 1.9M.9 2.7h3.7a2.2 2.2 0 010 4.4H2.5";
/** What the second button shows. */
const SIGNS = Object.freeze({ offered: [CROSS], adding: [CROSS], chosen: [CHECK, BACK], dismissed: [BACK] });
const MARK = "M1.5 1.5h4L11 7l-4 4-5.5-5.5zM4 4h.01";

/**
 * @param {Actions} actions
 * @param {AbortSignal} signal
 */
export function createChips(actions, signal) {
  const host = document.createElement("div");
  host.dataset["tagalong"] = "";
  const root = host.attachShadow({ mode: "open" });
  // A file, not a <style>: a page's content security policy does not hold for the extension's own files.
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = browser.runtime.getURL("content/chips.css");
  host.style.cssText = "position: absolute; visibility: hidden";
  style.addEventListener("load", () => host.removeAttribute("style"));
  const name = make("span", "name");
  const title = make("span", "title");
  title.textContent = words("chipsTitle");
  name.append(icon(MARK, 12), title, make("span", "busy"));
  const noteLine = make("div", "note");
  const noteText = make("span", "");
  const noteButton = button("");
  noteLine.append(noteText, noteButton);
  const row = make("div", "row");
  row.setAttribute("role", "toolbar");
  row.setAttribute("aria-label", words("chipsTitle"));
  const live = make("div", "live");
  live.setAttribute("role", "status");
  const panel = make("div", "panel");
  panel.append(name, noteLine, row);
  root.append(style, panel, live);

  /** @type {Map<string, HTMLElement>} */
  const elements = new Map();
  /** @type {HTMLElement[]} */
  let unwatched = [];
  /** @type {(() => void) | undefined} */
  let runNote;
  /** @type {HTMLElement | null} where the keyboard came from */
  let cameFrom = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let calm;
  signal.addEventListener("abort", () => clearTimeout(calm));

  noteButton.addEventListener("click", () => runNote?.());
  // The pointer must not take focus from the field that the writer is in.
  root.addEventListener("mousedown", (event) => event.preventDefault());
  row.addEventListener("focusin", (event) => {
    const { relatedTarget } = /** @type {FocusEvent} */ (event);
    const adding = row.querySelector('[data-look="adding"]') !== null;
    if (relatedTarget instanceof HTMLElement && !root.contains(relatedTarget) && !adding) cameFrom = relatedTarget;
    const tag = tagOf(/** @type {Element} */ (event.target));
    if (tag) rove(tag);
  });
  row.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey && key(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  follow(host, signal);

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was for us
   */
  function key(event) {
    const tags = [...elements.keys()];
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
    if (cameFrom?.isConnected) cameFrom.focus();
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

  /** @param {string} tag */
  function createChip(tag) {
    const chip = make("span", "chip");
    chip.dataset["tag"] = tag;
    const main = button("tag");
    main.setAttribute("aria-keyshortcuts", "Delete");
    const label = make("span", "label");
    label.textContent = tag;
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
  function dress(element, { tag, score, look }) {
    const [main, side] = element.children;
    const percent = Math.round(score * 100);
    element.style.setProperty("--score", `${percent}%`);
    main?.setAttribute("aria-label", words(`chip_${look}`, tag, percent));
    if (element.dataset["look"] === look) return;
    element.dataset["look"] = look;
    main?.setAttribute("aria-pressed", String(look === "chosen"));
    main?.setAttribute("aria-busy", String(look === "adding"));
    for (const name of ["aria-label", "title"]) side?.setAttribute(name, words(`chipSide_${look}`, tag));
    // A chosen one shows its check, and the way back under the pointer; no chip ever changes its width.
    side?.replaceChildren(...SIGNS[look].map((path) => icon(path, 8)));
  }

  /** @param {Element} element  a chip or a part of one */
  function tagOf(element) {
    return /** @type {HTMLElement | null} */ (element.closest(".chip"))?.dataset["tag"] ?? "";
  }

  return {
    host,
    tagOf,

    /** @param {string} tag @returns {HTMLElement} */
    elementOf: (tag) => /** @type {HTMLElement} */ (elements.get(tag)),

    /** Whether the pointer or the keyboard is on the tag's chip. @param {string} tag */
    inUse(tag) {
      const element = elements.get(tag);
      return element !== undefined && (element.matches(":hover") || element.contains(root.activeElement));
    },

    /** Chips made since the last call. @returns {HTMLElement[]} */
    takeNew() {
      const taken = unwatched;
      unwatched = [];
      return taken;
    },

    /** @param {{chips: Chip[], busy: boolean, note: Note | null}} picture */
    draw({ chips, busy, note }) {
      const tags = chips.map((chip) => chip.tag);
      for (const [tag, element] of elements) {
        if (tags.includes(tag)) continue;
        element.remove();
        elements.delete(tag);
      }
      chips.forEach((chip, index) => {
        const element = elements.get(chip.tag) ?? createChip(chip.tag);
        elements.set(chip.tag, element);
        // Moving an element takes its focus away: those in their place are left alone.
        if (row.children[index] !== element) row.insertBefore(element, row.children[index] ?? null);
        dress(element, chip);
      });
      const focused = tagOf(root.activeElement ?? row);
      rove(tags.includes(focused) ? focused : tags[0]);
      panel.toggleAttribute("data-empty", chips.length === 0);
      panel.toggleAttribute("data-busy", busy);
      noteLine.hidden = note === null;
      panel.toggleAttribute("data-noted", note !== null);
      noteText.textContent = noteText.title = note?.text ?? "";
      noteButton.textContent = note?.action ?? "";
      noteButton.hidden = !note?.action;
      runNote = note?.run;
    },

    /** Says something to those who do not see it, once all is calm. @param {string} text */
    announce(text) {
      clearTimeout(calm);
      calm = setTimeout(() => (live.textContent = text), CALM_MS);
    },
  };
}

/** Keeps the host light or dark, and its direction, as the page is. @param {HTMLElement} host @param {AbortSignal} signal */
function follow(host, signal) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const update = () => {
    const { classList } = document.body;
    const dark = classList.contains("theme-dark") || (classList.contains("theme-system") && system.matches);
    host.toggleAttribute("data-dark", dark);
    host.dir = getComputedStyle(document.documentElement).direction;
  };
  const observer = new MutationObserver(update);
  observer.observe(document.body, { attributeFilter: ["class"] });
  system.addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  update();
}

/** @param {string} element @param {string} className */
function make(element, className) {
  const made = document.createElement(element);
  if (className) made.className = className;
  return made;
}

/** @param {string} className @returns {HTMLButtonElement} */
function button(className) {
  const made = /** @type {HTMLButtonElement} */ (make("button", className));
  made.type = "button";
  return made;
}

/** @param {string} path @param {number} size */
function icon(path, size) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
