/** The delay before the service is asked, and the keyboard shortcut to the chips. */

import { browser } from "../shared/browser.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { formatNumber } from "../shared/format.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import { DEBOUNCE_LIMITS_MS } from "../shared/settings-defaults.js";

const debounce = getElement("debounce", HTMLInputElement);
debounce.min = String(DEBOUNCE_LIMITS_MS.min);
debounce.max = String(DEBOUNCE_LIMITS_MS.max);

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  debounce.value = String(settings.debounce_ms);
  showDebounce();
}

function showDebounce() {
  const text = getText("optionsMilliseconds", formatNumber(debounce.valueAsNumber));
  getElement("debounce-value", HTMLElement).textContent = text;
  debounce.setAttribute("aria-valuetext", text);
}

/** Show the shortcut as it is now: it is changed in the browser's own settings. */
async function showShortcut() {
  const commands = await browser.commands.getAll();
  const shortcut = commands.find(({ name }) => name === "chips")?.shortcut;
  getElement("shortcut", HTMLElement).textContent = shortcut || getText("optionsShortcutNone");
}

async function openShortcutSettings() {
  // Only Firefox has a method for it, and only Chromium has an address for it.
  const { openShortcutSettings: open } = /** @type {{openShortcutSettings?: () => Promise<void>}} */ (browser.commands);
  if (open) await open();
  else await browser.tabs.create({ url: "chrome://extensions/shortcuts" });
}

debounce.addEventListener("input", showDebounce);
debounce.addEventListener("change", async () => {
  await sendMessage("changeSettings", { changes: { debounce_ms: debounce.valueAsNumber } });
  showStatus("writing-status", getText("optionsSaved"), "good");
});
getElement("change-shortcut", HTMLElement).addEventListener("click", () => void openShortcutSettings());
addEventListener("focus", () => void showShortcut());
void showShortcut();
