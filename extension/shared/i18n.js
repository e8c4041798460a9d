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

/**
 * Return a text about a number, in the plural form that its language has for this number.
 *
 * @param {string} key  `KEY_one`, `KEY_other` and so on are in `_locales`, by the language's plural categories;
 *   `$1` is the number as the language writes it
 * @param {number} count
 * @param {...(string | number)} parts  `$2`…
 * @returns {string}
 */
export function getPluralText(key, count, ...parts) {
  const language = getText("language");
  const all = [new Intl.NumberFormat(language).format(count), ...parts];
  return getText(`${key}_${new Intl.PluralRules(language).select(count)}`, ...all) || getText(`${key}_other`, ...all);
}
