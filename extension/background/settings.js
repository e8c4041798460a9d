/** The writer's settings and consents: how they are read, checked and changed. */

import { parseServerAddress } from "../shared/server-address.js";
import { DEBOUNCE_LIMITS_MS, DEFAULT_SETTINGS } from "../shared/settings-defaults.js";
import { allowsSuggestions, SOURCES, usesDevice } from "../shared/sources.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").Settings} Settings */

/** @returns {Promise<Settings>} */
export async function readSettings() {
  const { settings } = await storage.get("settings");
  return normalizeSettings(settings);
}

/**
 * Return valid settings from whatever is stored: a field that is missing or invalid gets its default. A consent is
 * given for a server, so there is none where the server is invalid.
 *
 * @param {any} stored
 * @returns {Settings}
 */
export function normalizeSettings(stored) {
  const source = SOURCES.includes(stored?.source) ? stored.source : DEFAULT_SETTINGS.source;
  const server = parseStoredAddress(stored?.server ?? DEFAULT_SETTINGS.server);
  if (server === null) return { ...DEFAULT_SETTINGS, source };
  const drafts = stored?.drafts === true;
  return {
    source,
    server,
    api_key: isText(stored?.api_key) ? stored.api_key : DEFAULT_SETTINGS.api_key,
    drafts,
    counts: (drafts || usesDevice({ source })) && stored?.counts === true,
    install_id: isText(stored?.install_id) ? stored.install_id : null,
    sites_off: uniqueTexts(stored?.sites_off),
    paused_until: stored?.paused_until === null ? null : numberOr(stored?.paused_until, 0),
    debounce_ms: clampDebounce(numberOr(stored?.debounce_ms, DEFAULT_SETTINGS.debounce_ms)),
    never: uniqueTexts(stored?.never),
  };
}

/**
 * Whether tags may be suggested now.
 *
 * @param {Settings} settings
 * @param {string} [site]  where the draft is written; left out: whether they may be on any site
 */
export const maySuggest = (settings, site) =>
  allowsSuggestions(settings) &&
  !isPaused(settings) &&
  !(site !== undefined && settings.sites_off.includes(site));

/** @param {Settings} settings */
export const isPaused = ({ paused_until }) => paused_until === null || Date.now() < paused_until;

/** Whether events may be sent. @param {Settings} settings */
export const mayCount = ({ counts, install_id }) => counts && install_id !== null;

/** Whether what becomes of chips may be noted: on the device alone, it stays there. @param {Settings} settings */
export const mayNote = (settings) => mayCount(settings) || settings.source === "device";

/**
 * Return the settings after `changes`. Where nothing may be suggested, nothing is counted. The first consent makes an
 * install's id; another server gets a fresh one, as it knows nothing of the sequence so far, and no key but its own.
 *
 * @param {Settings} settings
 * @param {Partial<Settings>} changes
 * @returns {Settings}
 */
export function applyChanges(settings, changes) {
  const next = { ...settings, ...changes };
  next.server = parseServerAddress(next.server);
  if (next.server !== settings.server) {
    next.install_id = null;
    next.api_key = changes.api_key ?? "";
  }
  next.api_key = next.api_key.trim();
  next.counts &&= next.drafts || usesDevice(next);
  if (next.drafts || next.counts) next.install_id ??= crypto.randomUUID();
  return normalizeSettings(next);
}

/** @param {unknown} address @returns {string | null} null: not an address */
function parseStoredAddress(address) {
  try {
    return parseServerAddress(/** @type {string} */ (address));
  } catch {
    return null;
  }
}

/** @param {number} ms */
const clampDebounce = (ms) => Math.min(Math.max(Math.round(ms), DEBOUNCE_LIMITS_MS.min), DEBOUNCE_LIMITS_MS.max);

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === "string" && value !== "";

/** @param {unknown} value @returns {string[]} sorted */
const uniqueTexts = (value) => (Array.isArray(value) ? [...new Set(value.filter(isText))].sort() : []);

/** @param {unknown} value @param {number} fallback @returns {number} */
const numberOr = (value, fallback) => (typeof value === "number" && Number.isFinite(value) ? value : fallback);
