/** The writer's settings and consents, in `storage.local`. */

import { browser } from "../browser.js";

/** @typedef {import("../messages.js").Settings} Settings */

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  server: "http://127.0.0.1:8600",
  drafts: false,
  counts: false,
  install_id: null,
  enabled: true,
  debounce_ms: 250,
});

/** @returns {Promise<Settings>} */
export async function read() {
  const { settings } = await browser.storage.local.get("settings");
  return { ...DEFAULTS, .../** @type {Partial<Settings>} */ (settings ?? {}) };
}

/** Whether drafts may be sent now. @param {Settings} settings */
export const mayAsk = (settings) => settings.drafts && settings.enabled && settings.install_id !== null;

/** Whether events may be kept and sent. @param {Settings} settings */
export const mayCount = (settings) => settings.drafts && settings.counts && settings.install_id !== null;

/**
 * The settings after `changes`: counts only with drafts, an install's id from the first consent on, and a
 * fresh one for another server, which knows nothing of the sequence so far.
 *
 * @param {Settings} settings
 * @param {Partial<Settings>} changes
 * @returns {Settings}
 */
export function changed(settings, changes) {
  const next = { ...settings, ...changes };
  next.server = address(next.server);
  next.counts &&= next.drafts;
  if (next.server !== settings.server) next.install_id = null;
  if (next.drafts) next.install_id ??= crypto.randomUUID();
  return next;
}

/**
 * A server's address without query, fragment and closing slash.
 *
 * @param {string} text
 * @returns {string}
 */
export function address(text) {
  const url = new URL(text.trim());
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError("not a web address");
  return url.origin + url.pathname.replace(/\/+$/, "");
}
