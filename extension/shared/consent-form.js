/** The two consents on the welcome page and in the options. */

import { browser } from "./browser.js";
import { DATA_KINDS } from "./data-kinds.js";
import { showStatus } from "./extension-page.js";
import { getText } from "./i18n.js";
import { sendMessage } from "./messaging.js";

/** @typedef {import("./protocol.js").Settings} Settings */

const browserAsksConsent = "data_collection" in (await browser.permissions.getAll());

/** @param {string[]} kinds */
const dataPermissions = (kinds) => /** @type {chrome.permissions.Permissions} */ ({ data_collection: kinds });

/**
 * Store the two consents. Must be called in the writer's own click: Firefox shows its own prompt only then.
 *
 * @param {boolean} drafts
 * @param {boolean} counts
 * @returns {Promise<Settings | null>} null if the writer declined at Firefox's prompt
 */
export async function saveConsents(drafts, counts) {
  const wanted = drafts ? [...DATA_KINDS.drafts, ...(counts ? DATA_KINDS.counts : [])] : [];
  const unwanted = [...DATA_KINDS.drafts, ...DATA_KINDS.counts].filter((kind) => !wanted.includes(kind));
  if (browserAsksConsent) {
    // Requested first and awaited last: the prompt must open while the click lasts.
    const granted = wanted.length === 0 || browser.permissions.request(dataPermissions(wanted)).catch(() => false);
    if (unwanted.length > 0) await browser.permissions.remove(dataPermissions(unwanted));
    if (!(await granted)) return null;
  }
  return sendMessage("changeSettings", { changes: { drafts, counts } });
}

/**
 * Show that the consents are saved, or that no service answers: then drafts may be sent, but no tags come back.
 *
 * @param {string} statusId  of the status line
 * @param {Settings} settings  as saved
 * @param {{on: string, off: string}} keys  of the texts to show where the service answers
 * @returns {Promise<boolean>} whether no service answers
 */
export async function showConsentsSaved(statusId, { drafts }, { on, off }) {
  if (drafts) showStatus(statusId, getText("optionsSaved"));
  const { service, message } = await sendMessage("checkService", {});
  const missing = service === "away";
  if (missing) showStatus(statusId, getText("welcomeAway", message), "bad");
  else showStatus(statusId, getText(drafts ? on : off), "good");
  return missing;
}
