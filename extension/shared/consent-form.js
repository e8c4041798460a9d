/** The source of tags and the two consents, as saved on the welcome page and in the options. */

import { browser } from "./browser.js";
import { DATA_KINDS } from "./data-kinds.js";
import { showStatus } from "./extension-page.js";
import { getText } from "./i18n.js";
import { sendMessage } from "./messaging.js";
import { allowsSuggestions, usesDevice, usesService } from "./sources.js";

/** @typedef {import("./protocol.js").Settings} Settings */

const browserAsksConsent = "data_collection" in (await browser.permissions.getAll());

/** @param {string[]} kinds */
const dataPermissions = (kinds) => /** @type {chrome.permissions.Permissions} */ ({ data_collection: kinds });

/**
 * Store the two consents, and what else is given. Must be called in the writer's own click: Firefox shows its own
 * prompt only then.
 *
 * @param {Partial<Settings> & Pick<Settings, "drafts" | "counts">} changes
 * @returns {Promise<Settings | null>} null if the writer declined at Firefox's prompt
 */
export async function saveConsents(changes) {
  const wanted = [...(changes.drafts ? DATA_KINDS.drafts : []), ...(changes.counts ? DATA_KINDS.counts : [])];
  const unwanted = [...DATA_KINDS.drafts, ...DATA_KINDS.counts].filter((kind) => !wanted.includes(kind));
  if (browserAsksConsent) {
    // Requested first and awaited last: the prompt must open while the click lasts.
    const granted = wanted.length === 0 || browser.permissions.request(dataPermissions(wanted)).catch(() => false);
    if (unwanted.length > 0) await browser.permissions.remove(dataPermissions(unwanted));
    if (!(await granted)) return null;
  }
  return sendMessage("changeSettings", { changes });
}

/**
 * Show that the choice is saved, and what comes of it; or that no service answers, where one is needed.
 *
 * @param {string} statusId  of the status line
 * @param {Settings} settings  as saved
 * @param {{on: string, off: string}} keys  of the texts for a service that answers, and for no suggestions at all
 * @returns {Promise<boolean>} whether a service is needed that does not answer
 */
export async function showSaved(statusId, settings, { on, off }) {
  if (!allowsSuggestions(settings)) {
    showStatus(statusId, getText(off), "good");
    return false;
  }
  showStatus(statusId, getText("optionsSaved"));
  const [{ service, message }, device] = await Promise.all([
    sendMessage("checkService", {}),
    usesDevice(settings) ? sendMessage("checkDevice", {}) : null,
  ]);
  const missing = service === "away";
  const isWorking = device ? device.message === "" : !missing;
  if (missing) showStatus(statusId, getText(missingServiceKey(settings, isWorking), message), "bad");
  else if (usesService(settings)) showStatus(statusId, getText(on), "good");
  else if (device?.message) showStatus(statusId, device.message, "bad");
  else showStatus(statusId, getText(settings.counts ? "savedDevice" : "savedDeviceAlone"), "good");
  return missing;
}

/** @param {Settings} settings @param {boolean} isWorking  whether there are suggestions all the same */
function missingServiceKey(settings, isWorking) {
  if (!isWorking) return "welcomeAway";
  return usesService(settings) ? "savedInstead" : "savedWaiting";
}
