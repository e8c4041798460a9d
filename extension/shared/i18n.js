/** Texts of `_locales`, in the browser's language where they exist in it. */

import { browser } from "./browser.js";

/**
 * Return the text under a key, with `$1`… filled in.
 *
 * @param {string} key
 * @param {...(string | number)} parts
 * @returns {string}
 */
export const getText = (key, ...parts) => browser.i18n.getMessage(key, parts.map(String));
