/** What the extension's own pages share: their sentences, their switches, their one line of news. */

import { browser, words } from "./browser.js";
import { say } from "./say.js";

/** @typedef {import("./messages.js").Settings} Settings */

/** Fills every `data-words` element with its sentence, and the document with its language. */
export function localise() {
  document.documentElement.lang = browser.i18n.getUILanguage();
  document.documentElement.dir = words("@@bidi_dir");
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words(/** @type {HTMLElement} */ (element).dataset["words"] ?? "");
  }
}

/**
 * An element that the page is known to have.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function part(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`no ${type.name} #${id} on this page`);
  return element;
}

/** @param {string} text @param {"good" | "bad" | ""} [mood] */
export function news(text, mood = "") {
  const line = part("news", HTMLElement);
  line.textContent = text;
  line.className = mood;
}

/** Firefox keeps a consent of its own, by kind of data; Chromium does not know of it. */
const firefoxAsks = "data_collection" in (await browser.permissions.getAll());

/**
 * Keeps the two consents. To be called from the writer's own click: Firefox asks for its consent then.
 *
 * @param {boolean} drafts
 * @param {boolean} counts
 * @returns {Promise<Settings | null>} null if the writer took the yes back at Firefox's question
 */
export async function consent(drafts, counts) {
  const [content, activity] = [["websiteContent"], ["websiteActivity", "technicalAndInteraction"]];
  const wanted = drafts ? [...content, ...(counts ? activity : [])] : [];
  const unwanted = [...content, ...activity].filter((kind) => !wanted.includes(kind));
  if (firefoxAsks) {
    // Not awaited before the question: that must be asked while the click lasts.
    const answer = wanted.length === 0 || browser.permissions.request(ofData(wanted)).catch(() => false);
    if (unwanted.length > 0) await browser.permissions.remove(ofData(unwanted));
    if (!(await answer)) return null;
  }
  return say("change", { changes: { drafts, counts } });
}

/** @param {string[]} kinds  names that only Firefox knows */
const ofData = (kinds) => /** @type {chrome.permissions.Permissions} */ ({ data_collection: kinds });
