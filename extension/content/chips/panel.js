/** The panel under the page's tag field, in a shadow root: it shows the chips and reports what the writer does. */

import { browser } from "../../shared/browser.js";
import { getText } from "../../shared/i18n.js";
import { createElement, createIcon, setText } from "./elements.js";
import { createLiveRegion } from "./live-region.js";
import { createNoteLine } from "./note-line.js";
import { createPresses } from "./presses.js";
import { followTheme } from "./theme.js";

/** @typedef {import("../../shared/protocol.js").Origin} Origin */
/** @typedef {import("../../shared/protocol.js").SuggestedTag} SuggestedTag */
/** @typedef {"offered" | "adding" | "chosen" | "dismissed"} Look */
/** @typedef {SuggestedTag & {look: Look, blocked: boolean, stays: boolean}} Chip  `stays`: do not move it now */
/** @typedef {{label: string, run: () => void}} NoteAction */

/**
 * @typedef {object} Note
 * @property {string} text
 * @property {NoteAction[]} [actions]
 * @property {string} [tag]  the note is removed when this tag has no chip any more
 * @property {() => boolean} [isCurrent]  the note is removed when this returns false
 */

/**
 * @typedef {object} PanelState  all that the panel shows
 * @property {Chip[]} chips  in their order
 * @property {Origin | ""} origin  of the newest answer; empty before there is one
 * @property {boolean} busy
 * @property {Note | null} note
 * @property {string[]} replaceable  chosen tags that could be replaced; empty where there is room for another tag
 */

/**
 * @typedef {object} ChipActions
 * @property {(tag: string) => void} toggle  the chip was pressed
 * @property {(tag: string) => void} dismiss  its second button was pressed, or Delete
 * @property {(tag: string) => void} block  suggest the tag in no draft any more
 * @property {(tag: string, chosen: string) => void} replace  put the tag in the place of a chosen one
 * @property {() => void} leave  Escape was pressed, and there is nothing to go back to
 */

/** @typedef {ReturnType<typeof createPanel>} Panel */

const LOGO = "M1.5 1.5h4L11 7l-4 4-5.5-5.5zM4 4h.01";

/**
 * @param {ChipActions} actions
 * @param {(tag: string) => void} onView  called when the writer has seen its chip
 * @param {AbortSignal} signal
 */
export function createPanel(actions, onView, signal) {
  const host = createHost();
  const root = host.attachShadow({ mode: "open" });
  const origin = createElement("span", "origin");
  const title = createTitle(origin);
  const presses = createPresses(root, signal);
  const noteLine = createNoteLine(presses);
  const live = createLiveRegion(signal);
  const panel = createElement("div", "panel");
  // What is done most comes first under the keyboard; the style puts the note beside the title.
  panel.append(title, noteLine.element);
  root.append(createStyle(host), panel, live.element);

  /** @type {PanelState} */
  let state = { chips: [], origin: "", busy: false, note: null, replaceable: [] };
  /** @type {import("./row.js").ChipRow | undefined} */
  let row;
  /** @type {Promise<void> | undefined} */
  let loading;
  /** @type {Element | null} what had the focus before the shortcut */
  let cameFrom = null;

  // A press must not take the focus from the field that the writer is in.
  root.addEventListener("mousedown", (event) => event.preventDefault());
  host.addEventListener("focusout", () => {
    // While the page adds a tag, it has the focus for a moment.
    if (!state.chips.some(({ look }) => look === "adding")) cameFrom = null;
  });
  followTheme(host, signal);

  return {
    host,
    prepare,
    draw,
    focus,
    announce: live.announce,
    announceCalmly: live.announceCalmly,

    /** @param {string} tag @returns {number} from 1 on screen; 0 if it has no chip */
    getPosition: (tag) => row?.getPosition(tag) ?? 0,

    /** Call `onView` once more when the writer has seen the tag's chip from now on. @param {string} tag */
    watchAgain: (tag) => row?.watchAgain(tag),

    /** Ask which of the chosen tags this one is to replace. @param {string} tag */
    offerReplacing: (tag) => void row?.offerReplacing(tag),

    /** Whether pointer or focus are on the tag's chip, or on its popover. @param {string} tag */
    isInUse: (tag) => row?.isInUse(tag) ?? false,
  };

  /** Load what the first chips need, while they are on their way. */
  function prepare() {
    return (loading ??= import("./row.js").then(({ ChipRow }) => {
      if (signal.aborted) return;
      row = new ChipRow({ panel, actions, presses, onView, leave, signal });
      title.after(row.element);
      draw(state);
    }));
  }

  /** @param {PanelState} next */
  function draw(next) {
    state = next;
    const chips = row ? state.chips : [];
    if (!row && state.chips.length > 0) void prepare();
    const focused = noteLine.buttons.find((button) => button === root.activeElement);
    // Another note, or another place for it, is inserted anew, so that nothing is seen to move.
    const moved = panel.hasAttribute("data-empty") !== (chips.length === 0);
    if (moved || noteLine.getText() !== (state.note?.text ?? "")) panel.append(noteLine.element);
    panel.toggleAttribute("data-empty", chips.length === 0);
    panel.toggleAttribute("data-noted", state.note !== null);
    panel.toggleAttribute("data-busy", state.busy);
    setText(origin, state.origin && getText(`chipsFrom_${state.origin}`));
    row?.draw(chips, state.replaceable);
    noteLine.draw(state.note);
    // The focused button may be gone: the focus must not fall back to the page's beginning.
    if (focused && !root.activeElement) {
      ((focused.hidden ? row?.focusable : focused) ?? { focus: actions.leave }).focus();
    }
  }

  /** Move the focus to the chips, or to what there is to do instead; from there, back to where it came from. */
  function focus() {
    if (root.activeElement) return leave();
    const target = row?.focusable ?? noteLine.buttons.find((button) => !noteLine.element.hidden && !button.hidden);
    if (!target) return live.announce(noteLine.getText() || getText("chipsTitle"));
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
}

function createHost() {
  const host = document.createElement("div");
  host.dataset["tagalong"] = "";
  host.lang = getText("language");
  host.style.cssText = "position: absolute; visibility: hidden";
  return host;
}

/** @param {HTMLElement} origin */
function createTitle(origin) {
  const title = createElement("span", "name");
  const text = createElement("span", "title");
  setText(text, getText("chipsTitle"));
  // The last, so that nothing moves when it changes.
  title.append(createIcon(LOGO, 12), text, createElement("span", "busy"), origin);
  return title;
}

/**
 * Return a link to a file, not a <style>: a page's content security policy does not apply to the extension's own files.
 *
 * @param {HTMLElement} host  shown once the style is loaded
 */
function createStyle(host) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = browser.runtime.getURL("content/chips/chips.css");
  style.addEventListener("load", () => host.removeAttribute("style"));
  return style;
}
