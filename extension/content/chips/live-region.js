/** Announces to screen readers what has happened to the chips. */

import { createElement, setText } from "./elements.js";

/** Suggestions are announced only after so much calm: a screen reader must not be interrupted at every keystroke. */
const CALM_MS = 700;

/** @param {AbortSignal} signal */
export function createLiveRegion(signal) {
  const element = createElement("div", "live");
  element.setAttribute("role", "status");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));

  const announce = (/** @type {string} */ text) => setText(element, text);
  return {
    element,
    announce,

    /** Announce what came by itself, once the writer pauses. @param {string} text */
    announceCalmly(text) {
      clearTimeout(timer);
      timer = setTimeout(announce, CALM_MS, text);
    },
  };
}
