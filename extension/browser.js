/** The browser's extension interface under one name, `browser` in Firefox, `chrome` in Chromium; its sentences. */

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

/**
 * A sentence about a number, in the form that its language has for so many.
 *
 * @param {string} key  `KEY_one`, `KEY_other` and so on are in `_locales`, by the language's plural categories;
 *   `$1` is the number as the language writes it
 * @param {number} count
 * @param {...(string | number)} parts  `$2`…
 * @returns {string}
 */
export function counted(key, count, ...parts) {
  const language = words("language");
  const all = [new Intl.NumberFormat(language).format(count), ...parts];
  return words(`${key}_${new Intl.PluralRules(language).select(count)}`, ...all) || words(`${key}_other`, ...all);
}
