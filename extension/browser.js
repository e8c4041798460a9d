/** The browser's extension interface under one name: `browser` in Firefox, `chrome` in Chromium. */

/** @type {typeof chrome} */
export const browser = /** @type {any} */ (globalThis).browser ?? globalThis.chrome;

/**
 * A sentence of `_locales`, with `$1`… filled in.
 *
 * @param {string} key
 * @param {...(string | number)} parts
 * @returns {string}
 */
export const words = (key, ...parts) => browser.i18n.getMessage(key, parts.map(String));
