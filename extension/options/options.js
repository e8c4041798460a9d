/** The options: the two consents, the service's address, and the writer's data there. */

import { browser, words } from "../browser.js";
import { consent, localise, news, part } from "../own-pages.js";
import { say } from "../say.js";

const drafts = part("drafts", HTMLInputElement);
const counts = part("counts", HTMLInputElement);
const server = part("server", HTMLInputElement);
const sure = part("sure", HTMLElement);
const erase = part("erase", HTMLButtonElement);

async function show() {
  const { settings, lost } = await say("status", {});
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts;
  server.value = settings.server;
  part("install", HTMLElement).textContent = settings.install_id ?? words("optionsNoInstall");
  part("export", HTMLButtonElement).disabled = erase.disabled = settings.install_id === null;
  const line = part("lost", HTMLElement);
  line.hidden = lost === 0;
  line.textContent = words("optionsLost", lost);
}

async function keepConsent() {
  const kept = await consent(drafts.checked, drafts.checked && counts.checked);
  news(words(kept ? "optionsSaved" : "welcomeNotKept"), kept ? "good" : "bad");
  await show();
}

/**
 * Asks for leave to reach a server, then uses it. Must begin in the writer's own click.
 *
 * @param {string} address
 */
async function useServer(address) {
  const { protocol, hostname } = new URL(address);
  // Match patterns name no port.
  if (!(await browser.permissions.request({ origins: [`${protocol}//${hostname}/*`] }))) {
    return news(words("optionsServerRefused"), "bad");
  }
  await say("change", { changes: { server: address } });
  news(words("optionsSaved"), "good");
  await show();
}

async function saveExport() {
  const told = await say("export", {});
  if ("failed" in told) return news(told.failed, "bad");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(told.data, null, 2)], { type: "application/json" }));
  link.download = "tagalong.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  news(words("optionsExported"), "good");
}

async function eraseAll() {
  const told = await say("erase", {});
  sure.hidden = true;
  erase.focus();
  if ("failed" in told) return news(words("optionsNotErased", told.failed), "bad");
  news(words("optionsErased"), "good");
  await show();
}

localise();
drafts.addEventListener("change", keepConsent);
counts.addEventListener("change", keepConsent);
part("server-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void useServer(server.value);
});
part("export", HTMLElement).addEventListener("click", saveExport);
erase.addEventListener("click", () => {
  sure.hidden = false;
  part("no", HTMLElement).focus();
});
part("no", HTMLElement).addEventListener("click", () => {
  sure.hidden = true;
  erase.focus();
});
part("yes", HTMLElement).addEventListener("click", eraseAll);
await show();
