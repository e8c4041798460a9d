/** The settings that nobody has chosen yet, and the limits of what they may be set to. */

/** @typedef {import("./protocol.js").Settings} Settings */

/**
 * The settings where none are stored. An install that is older than the choice of the source has a service, or nothing.
 *
 * @type {Readonly<Settings>}
 */
export const DEFAULT_SETTINGS = Object.freeze({
  source: "service",
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

/** The settings of a new install: it suggests tags at once, and sends nothing. @type {Readonly<Settings>} */
export const NEW_INSTALL_SETTINGS = Object.freeze({ ...DEFAULT_SETTINGS, source: "device" });

/** Limits of `debounce_ms`: a shorter delay would ask at every keystroke, a longer one feels broken. */
export const DEBOUNCE_LIMITS_MS = Object.freeze({ min: 100, max: 1500 });
