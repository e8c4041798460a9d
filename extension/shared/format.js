/** Numbers and times as the language of the extension's texts writes them. */

import { getText } from "./i18n.js";

const LANGUAGE = getText("language");

/** @param {number} value */
export const formatNumber = (value) => new Intl.NumberFormat(LANGUAGE).format(value);

/** @param {number} count @param {number} total  not 0 */
export const formatPercent = (count, total) =>
  new Intl.NumberFormat(LANGUAGE, { style: "percent" }).format(count / total);

/** Return the time of day. @param {number} timestamp  ms since the epoch */
export const formatTime = (timestamp) => new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" }).format(timestamp);
