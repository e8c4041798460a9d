/** The popup: on or off, how the service is, how many events wait. */

import { browser, words } from "../browser.js";
import { localise, part } from "../own-pages.js";
import { say } from "../say.js";

const enabled = part("enabled", HTMLInputElement);
const service = part("service", HTMLElement);
const why = part("why", HTMLElement);
const flush = part("flush", HTMLButtonElement);

async function show() {
  const { settings, waiting } = await say("status", {});
  enabled.disabled = !settings.drafts;
  enabled.checked = settings.drafts && settings.enabled;
  part("welcome", HTMLElement).hidden = settings.drafts;
  part("waiting", HTMLElement).textContent = String(waiting);
  flush.hidden = waiting === 0 || !settings.counts;
  if (!settings.drafts) service.textContent = words("popupService_consent");
}

async function check() {
  const { service: state, message } = await say("check", {});
  why.textContent = message;
  why.hidden = message === "";
  if (enabled.disabled) return;
  service.textContent = words(`popupService_${state}`);
  service.className = { ready: "good", away: "bad", off: "" }[state];
}

localise();
enabled.addEventListener("change", async () => {
  await say("change", { changes: { enabled: enabled.checked } });
  await check();
});
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
browser.storage.local.onChanged.addListener((changes) => {
  if ("outbox" in changes) void show();
});
await show();
await check();
