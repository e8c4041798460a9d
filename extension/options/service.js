/** The service's address and API key: tested, and used only with the browser's permission to reach it. */

import { browser } from "../shared/browser.js";
import { userMessage } from "../shared/errors.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import { hostPermission, parseServerAddress } from "../shared/server-address.js";

/** @typedef {{server: string, api_key: string}} Connection */

const serverInput = getElement("server", HTMLInputElement);
const keyInput = getElement("key", HTMLInputElement);
const buttons = [getElement("save", HTMLButtonElement), getElement("test", HTMLButtonElement)];
/** @type {Connection} */
let saved = { server: "", api_key: "" };

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  if (settings.server === saved.server && settings.api_key === saved.api_key) return;
  saved = { server: settings.server, api_key: settings.api_key };
  serverInput.value = saved.server;
  keyInput.value = saved.api_key;
}

/**
 * Run `work` with what was entered, if the address is valid and the browser grants permission to reach it. Must be
 * called in the writer's own click.
 *
 * @param {(entered: Connection) => Promise<void>} work
 */
async function withPermission(work) {
  for (const button of buttons) button.disabled = true;
  try {
    const entered = { server: parseServerAddress(serverInput.value), api_key: keyInput.value.trim() };
    if (await browser.permissions.request(hostPermission(entered.server))) await work(entered);
    else showStatus("service-status", getText("optionsServerRefused"), "bad");
  } catch (error) {
    showStatus("service-status", userMessage(error), "bad");
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** @param {Connection} entered */
async function testConnection(entered) {
  showStatus("service-status", getText("optionsTesting"));
  const { service, message, model, database } = await sendMessage("testService", entered);
  if (service === "ready") {
    const text = getText(database === "away" ? "optionsTestedAway" : "optionsTested", model);
    showStatus("service-status", text, "good");
  } else {
    showStatus("service-status", message, "bad");
  }
}

/** @param {Connection} entered */
async function useConnection(entered) {
  const before = saved.server;
  await sendMessage("changeSettings", { changes: entered });
  showStatus("service-status", getText(entered.server === before ? "optionsSaved" : "optionsServerNew"), "good");
  // Give up the permission for a server that is no longer used; the manifest's own stay.
  const { origins } = hostPermission(before);
  const needed = [...hostPermission(entered.server).origins, ...(browser.runtime.getManifest().host_permissions ?? [])];
  if (!origins.every((origin) => needed.includes(origin))) await browser.permissions.remove({ origins });
}

serverInput.addEventListener("change", () => {
  // A key belongs to its server: it is not sent to another one by oversight.
  if (serverInput.value !== saved.server && keyInput.value === saved.api_key) keyInput.value = "";
});
getElement("service-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void withPermission(useConnection);
});
getElement("test", HTMLElement).addEventListener("click", () => void withPermission(testConnection));
