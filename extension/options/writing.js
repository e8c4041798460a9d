/** How it is written with: the pause before the service is asked, the shortcut to the chips. */

import { DEBOUNCE } from "../background/settings.js";
import { browser, words } from "../browser.js";
import { news, number, part } from "../own-pages.js";
import { say } from "../say.js";

const debounce = part("debounce", HTMLInputElement);
debounce.min = String(DEBOUNCE.least);
debounce.max = String(DEBOUNCE.most);

/** @param {import("../messages.js").Status} status */
export function show({ settings }) {
  debounce.value = String(settings.debounce_ms);
  showPause();
}

function showPause() {
  const text = words("optionsMilliseconds", number(debounce.valueAsNumber));
  part("quiet", HTMLElement).textContent = text;
  debounce.setAttribute("aria-valuetext", text);
}

/** The key may have been changed in the browser's own settings meanwhile. */
async function showShortcut() {
  const commands = await browser.commands.getAll();
  const shortcut = commands.find(({ name }) => name === "chips")?.shortcut;
  part("shortcut", HTMLElement).textContent = shortcut || words("optionsShortcutNone");
}

async function changeShortcut() {
  // Only Firefox has a call for it; only Chromium has an address for it.
  const { openShortcutSettings } = /** @type {{openShortcutSettings?: () => Promise<void>}} */ (browser.commands);
  if (openShortcutSettings) await openShortcutSettings();
  else await browser.tabs.create({ url: "chrome://extensions/shortcuts" });
}

debounce.addEventListener("input", showPause);
debounce.addEventListener("change", async () => {
  await say("change", { changes: { debounce_ms: debounce.valueAsNumber } });
  news("writing-news", words("optionsSaved"), "good");
});
part("change-shortcut", HTMLElement).addEventListener("click", () => void changeShortcut());
addEventListener("focus", () => void showShortcut());
void showShortcut();
