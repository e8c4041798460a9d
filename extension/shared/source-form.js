/** The choice of where tags come from, on the welcome page and in the options. */

import { getElement } from "./extension-page.js";
import { getText } from "./i18n.js";
import { sendMessage } from "./messaging.js";
import { SOURCES } from "./sources.js";

/** @typedef {import("./protocol.js").Settings} Settings */

const buttons = SOURCES.map((source) => getElement(`source-${source}`, HTMLInputElement));

/** Return the source that is selected. @returns {Settings["source"]} */
export const getSelectedSource = () => SOURCES[buttons.findIndex((button) => button.checked)] ?? "device";

/** @param {Settings["source"]} source */
export function selectSource(source) {
  getElement(`source-${source}`, HTMLInputElement).checked = true;
}

/** Call `listener` when the writer selects a source. @param {() => void} listener */
export function onSourceSelected(listener) {
  for (const button of buttons) button.addEventListener("change", listener);
}

/** Show why the model on this device cannot be loaded, if so. @returns {Promise<boolean>} whether it can be */
export async function showDeviceProblem() {
  const { message } = await sendMessage("checkDevice", {});
  const line = getElement("device-problem", HTMLElement);
  line.textContent = message;
  line.hidden = message === "";
  return message === "";
}

/**
 * Let a writer whose tags come from this device use the service on this computer. Asks while the page is open: now, and
 * when the writer comes back to it.
 *
 * @param {() => Promise<Settings>} readSettings
 * @param {() => void} onAccepted
 */
export function offerLocalService(readSettings, onAccepted) {
  const offer = getElement("service-offer", HTMLElement);
  async function ask() {
    const settings = await readSettings();
    const isOffered =
      settings.source === "device" && (await sendMessage("findLocalService", {})).service === "ready";
    getElement("service-offer-text", HTMLElement).textContent = getText("sourceOffer", settings.server);
    offer.hidden = !isOffered;
  }
  getElement("service-offer-button", HTMLElement).addEventListener("click", () => {
    offer.hidden = true;
    selectSource("service_then_device");
    onAccepted();
  });
  addEventListener("focus", () => void ask());
  void ask();
}
