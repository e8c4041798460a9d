/** The popup: the switch for this site, a pause, where tags come from, what waits, and the writer's own figures. */

import { browser } from "../shared/browser.js";
import { getElement, localizePage, onStorageChange, showPageWhen } from "../shared/extension-page.js";
import { formatNumber, formatPercent, formatTime, getPluralText } from "../shared/format.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import { hostPermission } from "../shared/server-address.js";
import { allowsSuggestions, usesDevice, usesService } from "../shared/sources.js";

/** @typedef {import("../shared/protocol.js").Health} Health */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").Stats} Stats */
/** @typedef {import("../shared/protocol.js").TabState} TabState */

const HOUR_MS = 60 * 60_000;

const siteSwitch = getElement("site-switch", HTMLInputElement);
const flushButton = getElement("flush", HTMLButtonElement);
const tab = await getTabState();

/** Return the state of the active tab; null where no question can be written. @returns {Promise<TabState | null>} */
async function getTabState() {
  const [active] = await browser.tabs.query({ active: true, currentWindow: true });
  try {
    return (await browser.tabs.sendMessage(active?.id ?? -1, { type: "getTabState" })) ?? null;
  } catch {
    return null;
  }
}

async function show() {
  const { settings, waiting, stats } = await sendMessage("getStatus", {});
  const isAllowed = allowsSuggestions(settings);
  getElement("no-consent", HTMLElement).hidden = isAllowed;
  getElement("consented", HTMLElement).hidden = !isAllowed;
  getElement("site-block", HTMLElement).hidden = !isAllowed || !tab;
  getElement("unknown-page", HTMLElement).hidden = tab?.page !== null;
  if (tab) {
    getElement("site", HTMLElement).textContent = tab.site;
    siteSwitch.checked = !settings.sites_off.includes(tab.site);
  }
  showPause(settings.paused_until);
  getElement("source", HTMLElement).textContent = getText(`popupSource_${settings.source}`);
  const isServiceUsed = usesService(settings) || settings.counts;
  for (const row of document.querySelectorAll(".service")) /** @type {HTMLElement} */ (row).hidden = !isServiceUsed;
  getElement("waiting", HTMLElement).textContent = formatNumber(waiting);
  flushButton.hidden = waiting === 0;
  showStats(stats, settings.counts || settings.source === "device");
}

/** @param {Settings["paused_until"]} until */
function showPause(until) {
  const paused = until === null || until > Date.now();
  for (const id of ["pause-hour", "pause-open-end"]) getElement(id, HTMLElement).hidden = paused;
  getElement("resume", HTMLElement).hidden = !paused;
  getElement("pause", HTMLElement).textContent = !paused
    ? getText("popupPause")
    : until === null
      ? getText("popupPaused")
      : getText("popupPausedUntil", formatTime(until));
}

/** @param {Stats} stats @param {boolean} counts  whether anything is counted at all */
function showStats({ viewed, accepted, dismissed, posted, kept }, counts) {
  const any = viewed > 0;
  getElement("acceptance", HTMLElement).textContent = any ? formatPercent(accepted, viewed) : "";
  getElement("stats-summary", HTMLElement).textContent = any
    ? getPluralText("popupTaken", viewed, formatNumber(accepted))
    : getText(counts ? "popupNoneYet" : "popupNotCounted");
  const sentences = [
    dismissed > 0 ? getText("popupDismissed", formatNumber(dismissed)) : "",
    posted > 0 ? getText("popupKept", formatNumber(kept), formatNumber(posted)) : "",
  ];
  getElement("stats-details", HTMLElement).textContent = sentences.filter((sentence) => sentence !== "").join(" ");
}

/** Show the version of the model on this device, or why there is none. */
async function showDevice() {
  const { settings } = await sendMessage("getStatus", {});
  const { model, message } = usesDevice(settings) ? await sendMessage("checkDevice", {}) : { model: "", message: "" };
  const details = getElement("device-details", HTMLElement);
  details.textContent = model ? getText("popupModel", model) : message;
  details.hidden = details.textContent === "";
}

async function showHealth() {
  const health = await sendMessage("checkService", {});
  const state = getElement("service", HTMLElement);
  state.textContent = getText(`popupService_${health.service}`);
  state.className = { ready: "good", away: "bad", off: "" }[health.service];
  const details = getElement("service-details", HTMLElement);
  details.textContent = await healthDetails(health);
  details.hidden = details.textContent === "";
}

/** Return the sentence that explains the service's state, if any. @param {Health} health @returns {Promise<string>} */
async function healthDetails({ service, message, model, database }) {
  if (service === "off") return "";
  if (service === "ready") return getText(database === "away" ? "popupNoDatabase" : "popupModel", model);
  // Permissions can be withdrawn in the browser's own settings; the request then fails like any other.
  const { settings } = await sendMessage("getStatus", {});
  return (await browser.permissions.contains(hostPermission(settings.server))) ? message : getText("popupNoLeave");
}

/** @param {Partial<Settings>} changes */
async function changeSettings(changes) {
  await sendMessage("changeSettings", { changes });
  await Promise.all([show(), showDevice(), showHealth()]);
}

/** @param {Settings["paused_until"]} until @param {string} focusId  the button that replaces the pressed one */
async function setPause(until, focusId) {
  await changeSettings({ paused_until: until });
  getElement(focusId, HTMLElement).focus();
}

localizePage();
siteSwitch.addEventListener("change", async () => {
  const { settings } = await sendMessage("getStatus", {});
  const others = settings.sites_off.filter((site) => site !== tab?.site);
  await changeSettings({ sites_off: siteSwitch.checked || !tab ? others : [...others, tab.site] });
});
getElement("pause-hour", HTMLElement).addEventListener("click", () => setPause(Date.now() + HOUR_MS, "resume"));
getElement("pause-open-end", HTMLElement).addEventListener("click", () => setPause(null, "resume"));
getElement("resume", HTMLElement).addEventListener("click", () => setPause(0, "pause-hour"));
flushButton.addEventListener("click", async () => {
  flushButton.disabled = true;
  await sendMessage("flushOutbox", {});
  await Promise.all([show(), showHealth()]);
  flushButton.disabled = false;
});
getElement("use-device", HTMLElement).addEventListener("click", () => changeSettings({ source: "device" }));
getElement("welcome", HTMLElement).addEventListener("click", () => {
  void browser.tabs.create({ url: browser.runtime.getURL("welcome/welcome.html") });
  window.close();
});
getElement("options", HTMLElement).addEventListener("click", () => {
  void browser.runtime.openOptionsPage();
  window.close();
});
onStorageChange(() => void show());
await showPageWhen(show());
await Promise.all([showDevice(), showHealth()]);
