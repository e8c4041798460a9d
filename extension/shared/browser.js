/** The browser's extension API under one name: it is `browser` in Firefox and `chrome` in Chromium. */

/** @type {typeof chrome} */
export const browser = /** @type {any} */ (globalThis).browser ?? globalThis.chrome;
