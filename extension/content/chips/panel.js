/** The chips under the tag field: draws what it is told in a shadow root, and says what the writer does. */

import { browser } from "../../shared/browser.js";
import { getText } from "../../shared/i18n.js";
import { icon, make, put } from "./elements.js";
import { createNoteLine } from "./note-line.js";
import { createPresses } from "./presses.js";
import { followTheme } from "./theme.js";

/** @typedef {import("../../shared/protocol.js").SuggestedTag} SuggestedTag */
/** @typedef {"offered" | "adding" | "chosen" | "dismissed"} Look */
/** @typedef {SuggestedTag & {look: Look, never: boolean, stays: boolean}} Chip  `stays`: not to be moved just now */
/** @typedef {{label: string, run: () => void}} Step  something to do about a note */
/** @typedef {{text: string, steps?: Step[], tag?: string, holds?: () => boolean}} Note  `tag`: of interest as long as
 *   its chip is shown; `holds`: and as long as this is true */
/** @typedef {{chips: Chip[], busy: boolean, note: Note | null, replaceable: string[]}} Picture  `replaceable`: chosen
 *   tags that could make room for another; empty where there is room */

/**
 * @typedef {object} Actions
 * @property {(tag: string) => void} act  a chip was pressed
 * @property {(tag: string) => void} dismiss  its second button was pressed, or Delete
 * @property {(tag: string) => void} banish  never again, in any draft
 * @property {(tag: string, chosen: string) => void} replace  put the tag in the place of a chosen one
 * @property {() => void} leave  by Escape, when there is nothing to go back to
 */

/** Offers are announced only after so much calm: a screen reader must not be talked over at every keystroke. */
const CALM_MS = 700;

const MARK = "M1.5 1.5h4L11 7l-4 4-5.5-5.5zM4 4h.01";

/**
 * @param {Actions} actions
 * @param {(chip: HTMLElement) => void} made  a new chip is there
 * @param {AbortSignal} signal
 */
export function createChips(actions, made, signal) {
  const host = createHost();
  const root = host.attachShadow({ mode: "open" });
  const name = make("span", "name");
  const title = make("span", "title");
  put(title, getText("chipsTitle"));
  name.append(icon(MARK, 12), title, make("span", "busy"));
  const presses = createPresses(root, signal);
  const noteLine = createNoteLine(presses);
  const live = make("div", "live");
  live.setAttribute("role", "status");
  const panel = make("div", "panel");
  // What is done most comes first under the keyboard; the style puts the note beside the name.
  panel.append(name, noteLine.element);
  root.append(styleOf(host), panel, live);
  
  /** @type {Picture} */
  let picture = { chips: [], busy: false, note: null, replaceable: [] };
  /** @type {import("./row.js").Row | undefined} */
  let row;
  /** @type {Promise<void> | undefined} */
  let loading;
  /** @type {Element | null} where the shortcut took the keyboard from */
  let cameFrom = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let calm;
  signal.addEventListener("abort", () => clearTimeout(calm));

  // The pointer must not take focus from the field that the writer is in.
  root.addEventListener("mousedown", (event) => event.preventDefault());
  host.addEventListener("focusout", () => {
    // While the page takes a tag, it has the keyboard for a moment.
    if (!picture.chips.some(({ look }) => look === "adding")) cameFrom = null;
  });
  followTheme(host, signal);

  return {
    host,
    prepare,
    draw,
    focus,
    announce,

    /** @param {string} tag @returns {number} from 1 on screen; 0: no chip */
    positionOf: (tag) => row?.positionOf(tag) ?? 0,

    /** @param {string} tag @returns {HTMLElement | undefined} */
    elementOf: (tag) => row?.elementOf(tag),

    /** Asks which of the chosen tags is to make room for this one. @param {string} tag */
    offerReplacing: (tag) => void row?.offerReplacing(tag),

    /** Whether the pointer or the keyboard is on the tag's chip, or on what explains it. @param {string} tag */
    inUse: (tag) => row?.inUse(tag) ?? false,

    /** `announce` for what came by itself, once all is calm. @param {string} text */
    announceCalmly(text) {
      clearTimeout(calm);
      calm = setTimeout(announce, CALM_MS, text);
    },
  };

  /** Loads what the first chips need, while they are on their way. */
  function prepare() {
    return (loading ??= import("./row.js").then(({ createRow }) => {
      if (signal.aborted) return;
      row = createRow({ panel, actions, presses, made, leave, signal });
      name.after(row.element);
      draw(picture);
    }));
  }

  /** @param {Picture} next */
  function draw(next) {
    picture = next;
    const chips = row ? picture.chips : [];
    if (!row && picture.chips.length > 0) void prepare();
    const step = noteLine.steps.find((step) => step === root.activeElement);
    // Another note, or another place for it, is another thing: put in anew, nothing is seen to move.
    const moved = panel.hasAttribute("data-empty") !== (chips.length === 0);
    if (moved || noteLine.text() !== (picture.note?.text ?? "")) panel.append(noteLine.element);
    panel.toggleAttribute("data-empty", chips.length === 0);
    panel.toggleAttribute("data-noted", picture.note !== null);
    panel.toggleAttribute("data-busy", picture.busy);
    row?.draw(chips, picture.replaceable);
    noteLine.draw(picture.note);
    // The button that had the keyboard may be gone: it must not fall back to the page's beginning.
    if (step && !root.activeElement) ((step.hidden ? row?.current() : step) ?? { focus: actions.leave }).focus();
  }

  /** The shortcut: leads the keyboard to the chips, or to what there is to do instead; again, and it goes back. */
  function focus() {
    if (root.activeElement) return leave();
    const target = row?.current() ?? noteLine.steps.find((step) => !noteLine.element.hidden && !step.hidden);
    if (!target) return announce(noteLine.text() || getText("chipsTitle"));
    cameFrom = document.activeElement;
    // The browser may keep the shortcut's key to itself, and then does not know that it was the keyboard.
    target.focus({ focusVisible: true });
  }

  function leave() {
    const back = cameFrom;
    cameFrom = null;
    if (back instanceof HTMLElement && back.isConnected && back !== document.body) back.focus();
    else actions.leave();
  }

  /** Says what has just happened to those who do not see it. @param {string} text */
  function announce(text) {
    put(live, text);
  }
}

function createHost() {
  const host = document.createElement("div");
  host.dataset["tagalong"] = "";
  host.lang = getText("language");
  host.style.cssText = "position: absolute; visibility: hidden";
  return host;
}

/**
 * A file, not a <style>: a page's content security policy does not hold for the extension's own files.
 *
 * @param {HTMLElement} host
 */
function styleOf(host) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = browser.runtime.getURL("content/chips/chips.css");
  style.addEventListener("load", () => host.removeAttribute("style"));
  return style;
}
