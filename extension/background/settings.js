/** The writer's settings and consents. */

import { words } from "../browser.js";
import { UserError } from "./faults.js";
import * as storage from "./storage.js";

/** @typedef {import("../messages.js").Settings} Settings */

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  server: "http://127.0.0.1:8600",
  api_key: "",
  drafts: false,
  counts: false,
  install_id: null,
  sites_off: [],
  paused_until: 0,
  debounce_ms: 250,
  never: [],
});

/** What the debounce may be set to, ms: shorter asks at every keystroke, longer feels broken. */
export const DEBOUNCE = Object.freeze({ least: 100, most: 1500 });
/** Where a connection needs no encryption, as it never leaves the machine. */
const OWN_MACHINE = ["127.0.0.1", "localhost"];

/** @returns {Promise<Settings>} */
export async function read() {
  const { settings } = await storage.get("settings");
  return sound(settings);
}

/**
 * Settings as this version knows them, from whatever is stored: a field that is missing or makes no sense has
 * its default. A consent was given for a server, so none is left where the server is unclear.
 *
 * @param {any} stored
 * @returns {Settings}
 */
export function sound(stored) {
  const server = soundAddress(stored?.server ?? DEFAULTS.server);
  if (server === null) return { ...DEFAULTS };
  const drafts = stored?.drafts === true;
  return {
    server,
    api_key: isText(stored?.api_key) ? stored.api_key : DEFAULTS.api_key,
    drafts,
    counts: drafts && stored?.counts === true,
    install_id: isText(stored?.install_id) ? stored.install_id : null,
    sites_off: texts(stored?.sites_off),
    paused_until: stored?.paused_until === null ? null : number(stored?.paused_until, 0),
    debounce_ms: debounce(number(stored?.debounce_ms, DEFAULTS.debounce_ms)),
    never: texts(stored?.never),
  };
}

/**
 * Whether the service may be asked now, for a draft on a site.
 *
 * @param {Settings} settings
 * @param {string} [site]  left out: for none of a site
 */
export const mayAsk = (settings, site) =>
  settings.drafts &&
  settings.install_id !== null &&
  !isPaused(settings) &&
  !(site !== undefined && settings.sites_off.includes(site));

/** @param {Settings} settings */
const isPaused = ({ paused_until }) => paused_until === null || Date.now() < paused_until;

/** Whether events may be kept and sent. @param {Settings} settings */
export const mayCount = (settings) => settings.drafts && settings.counts && settings.install_id !== null;

/**
 * The settings after `changes`: counts only with drafts, an install's id from the first consent on, and a
 * fresh one for another server, which knows nothing of the sequence so far. A key is for one server only.
 *
 * @param {Settings} settings
 * @param {Partial<Settings>} changes
 * @returns {Settings}
 */
export function changed(settings, changes) {
  const next = { ...settings, ...changes };
  next.server = address(next.server);
  if (next.server !== settings.server) {
    next.install_id = null;
    next.api_key = changes.api_key ?? "";
  }
  next.api_key = next.api_key.trim();
  next.counts &&= next.drafts;
  if (next.drafts) next.install_id ??= crypto.randomUUID();
  return sound(next);
}

/**
 * A server's address without query, fragment and closing slash; encrypted unless it is this machine. Throws
 * UserError where it is none.
 *
 * @param {string} text
 * @returns {string}
 */
export function address(text) {
  const url = URL.parse(text.trim());
  if (!url || !/^https?:$/.test(url.protocol)) throw new UserError(words("addressBad"));
  if (url.protocol === "http:" && !ownMachine(url.href)) throw new UserError(words("addressOpen"));
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** Whether an address is one of this machine. @param {string} server */
export const ownMachine = (server) => OWN_MACHINE.includes(new URL(server).hostname);

/** @param {unknown} text @returns {string | null} null: no address */
function soundAddress(text) {
  try {
    return address(/** @type {string} */ (text));
  } catch {
    return null;
  }
}

/** @param {number} ms */
const debounce = (ms) => Math.min(Math.max(Math.round(ms), DEBOUNCE.least), DEBOUNCE.most);

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === "string" && value !== "";

/** @param {unknown} value @returns {string[]} each once, sorted */
const texts = (value) => (Array.isArray(value) ? [...new Set(value.filter(isText))].sort() : []);

/** @param {unknown} value @param {number} otherwise @returns {number} */
const number = (value, otherwise) => (typeof value === "number" && Number.isFinite(value) ? value : otherwise);
