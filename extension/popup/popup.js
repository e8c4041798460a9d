/** The popup: on or off here, a pause, how the service is, what waits, and the writer's own acceptance. */

import { browser, counted, words } from "../browser.js";
import { clock, leaveFor, localise, number, onChange, openWhen, part, percent } from "../own-pages.js";
import { say } from "../say.js";

/** @typedef {import("../messages.js").Health} Health */
/** @typedef {import("../messages.js").Settings} Settings */
/** @typedef {import("../messages.js").Tally} Tally */
/** @typedef {import("../messages.js").TabState} TabState */

const HOUR_MS = 60 * 60_000;

const siteOn = part("site-on", HTMLInputElement);
const flush = part("flush", HTMLButtonElement);
const tab = await activeTab();

/** The page under the popup; null where none is to ask on. @returns {Promise<TabState | null>} */
async function activeTab() {
  const [active] = await browser.tabs.query({ active: true, currentWindow: true });
  try {
    return (await browser.tabs.sendMessage(active?.id ?? -1, { type: "describe" })) ?? null;
  } catch {
    return null;
  }
}

async function show() {
  const { settings, waiting, tally } = await say("status", {});
  part("unasked", HTMLElement).hidden = settings.drafts;
  part("asked", HTMLElement).hidden = !settings.drafts;
  part("here", HTMLElement).hidden = !settings.drafts || !tab;
  part("unknown", HTMLElement).hidden = tab?.page !== null;
  if (tab) {
    part("site", HTMLElement).textContent = tab.site;
    siteOn.checked = !settings.sites_off.includes(tab.site);
  }
  showPause(settings.paused_until);
  part("waiting", HTMLElement).textContent = number(waiting);
  flush.hidden = waiting === 0;
  showOwn(tally, settings.counts);
}

/** @param {Settings["paused_until"]} until */
function showPause(until) {
  const paused = until === null || until > Date.now();
  for (const id of ["hour", "rest"]) part(id, HTMLElement).hidden = paused;
  part("resume", HTMLElement).hidden = !paused;
  part("pause", HTMLElement).textContent = !paused
    ? words("popupPause")
    : until === null
      ? words("popupPaused")
      : words("popupPausedUntil", clock(until));
}

/** @param {Tally} tally @param {boolean} counts  whether anything is counted at all */
function showOwn({ viewed, accepted, dismissed, posted, kept }, counts) {
  const seen = viewed > 0;
  part("percent", HTMLElement).textContent = seen ? percent(accepted, viewed) : "";
  part("taken", HTMLElement).textContent = seen
    ? counted("popupTaken", viewed, number(accepted))
    : words(counts ? "popupNoneYet" : "popupNotCounted");
  const rest = [
    dismissed > 0 ? words("popupDismissed", number(dismissed)) : "",
    posted > 0 ? words("popupKept", number(kept), number(posted)) : "",
  ];
  part("rest-of-it", HTMLElement).textContent = rest.filter((text) => text !== "").join(" ");
}

async function check() {
  const health = await say("check", {});
  const service = part("service", HTMLElement);
  service.textContent = words(`popupService_${health.service}`);
  service.className = { ready: "good", away: "bad", off: "" }[health.service];
  const why = part("why", HTMLElement);
  why.textContent = await more(health);
  why.hidden = why.textContent === "";
}

/** What there is to say of the service's state. @param {Health} health @returns {Promise<string>} */
async function more({ service, message, model, database }) {
  if (service === "off") return "";
  if (service === "ready") return words(database === "away" ? "popupNoDatabase" : "popupModel", model);
  // Permissions can be taken back in the browser's own settings; the request then fails like any other.
  const { settings } = await say("status", {});
  return (await browser.permissions.contains(leaveFor(settings.server))) ? message : words("popupNoLeave");
}

/** @param {Partial<Settings>} changes */
async function change(changes) {
  await say("change", { changes });
  await Promise.all([show(), check()]);
}

/** @param {Settings["paused_until"]} until @param {string} next  the button that takes the pressed one's place */
async function pause(until, next) {
  await change({ paused_until: until });
  part(next, HTMLElement).focus();
}

localise();
siteOn.addEventListener("change", async () => {
  const { settings } = await say("status", {});
  const others = settings.sites_off.filter((site) => site !== tab?.site);
  await change({ sites_off: siteOn.checked || !tab ? others : [...others, tab.site] });
});
part("hour", HTMLElement).addEventListener("click", () => pause(Date.now() + HOUR_MS, "resume"));
part("rest", HTMLElement).addEventListener("click", () => pause(null, "resume"));
part("resume", HTMLElement).addEventListener("click", () => pause(0, "hour"));
flush.addEventListener("click", async () => {
  flush.disabled = true;
  await say("flush", {});
  await Promise.all([show(), check()]);
  flush.disabled = false;
});
part("welcome", HTMLElement).addEventListener("click", () => {
  void browser.tabs.create({ url: browser.runtime.getURL("welcome/welcome.html") });
  window.close();
});
part("options", HTMLElement).addEventListener("click", () => {
  void browser.runtime.openOptionsPage();
  window.close();
});
onChange(() => void show());
await openWhen(show());
await check();
