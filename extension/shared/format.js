/** Numbers, times and plurals as the language of the extension's texts writes them. */

import { getText } from "./i18n.js";

const LANGUAGE = getText("language");

/** @param {number} value */
export const formatNumber = (value) => new Intl.NumberFormat(LANGUAGE).format(value);

/** @param {number} count @param {number} total  not 0 */
export const formatPercent = (count, total) =>
  new Intl.NumberFormat(LANGUAGE, { style: "percent" }).format(count / total);

/** Return the time of day. @param {number} timestamp  ms since the epoch */
export const formatTime = (timestamp) => new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" }).format(timestamp);

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
  const all = [formatNumber(count), ...parts];
  return getText(`${key}_${new Intl.PluralRules(LANGUAGE).select(count)}`, ...all) || getText(`${key}_other`, ...all);
}
