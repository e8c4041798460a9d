/** What the welcome page, the options and the popup share. */

import { getText } from "./i18n.js";
import { STORAGE_CHANNEL } from "./storage-keys.js";

/** Fill every `data-i18n` element with its text, and set the document's language. */
export function localizePage() {
  document.documentElement.lang = getText("language");
  document.documentElement.dir = getText("direction");
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = getText(/** @type {HTMLElement} */ (element).dataset["i18n"] ?? "");
  }
}

/**
 * Return an element that the page must have.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function getElement(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`no ${type.name} #${id} on this page`);
  return element;
}

/**
 * Show the page once its state is loaded, so that no switch is seen in a state that it is not in.
 *
 * @param {Promise<void>} loaded
 */
export async function showPageWhen(loaded) {
  try {
    await loaded;
  } finally {
    getElement("main", HTMLElement).hidden = false;
  }
}

/**
 * Show the result of the writer's last action in its status line, scrolled into view.
 *
 * @param {string} id  of the status line
 * @param {string} text
 * @param {"good" | "bad" | ""} [mood]
 */
export function showStatus(id, text, mood = "") {
  const line = getElement(id, HTMLElement);
  line.textContent = text;
  line.className = mood;
  line.scrollIntoView({ block: "nearest" });
}

/** Call `listener` whenever the background has stored something. @param {() => void} listener */
export function onStorageChange(listener) {
  new BroadcastChannel(STORAGE_CHANNEL).addEventListener("message", listener);
}
