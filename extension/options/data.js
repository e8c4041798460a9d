/** The writer's data, in this browser and at the service: export and erasure. */

import { saveConsents } from "../shared/consent-form.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { getPluralText } from "../shared/format.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";

/** @typedef {import("../shared/protocol.js").DataLocation} DataLocation */

/** How long a downloaded file's URL stays valid: the browser reads it after the click. */
const DOWNLOAD_MS = 10_000;

const confirmDialog = getElement("confirm", HTMLDialogElement);

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings, lost }) {
  const noInstall = settings.install_id === null;
  getElement("install-id", HTMLElement).textContent = settings.install_id ?? getText("optionsNoInstall");
  for (const id of ["export-service", "erase-service"]) getElement(id, HTMLButtonElement).disabled = noInstall;
  const line = getElement("lost-events", HTMLElement);
  line.hidden = lost === 0;
  line.textContent = getPluralText("optionsLost", lost);
}

/** @param {DataLocation} location */
async function exportData(location) {
  const result = await sendMessage("exportData", { location });
  if ("failed" in result) return showStatus("data-status", result.failed, "bad");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(result.data, null, 2)], { type: "application/json" }));
  link.download = location === "here" ? "tagalong-browser.json" : "tagalong-service.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
  showStatus("data-status", getText("optionsExported", link.download), "good");
}

/** Ask the writer to confirm the erasure. @param {DataLocation} location @returns {Promise<boolean>} */
function confirmErasure(location) {
  const [title, text] =
    location === "here" ? ["optionsSureHere", "optionsSureHereWhat"] : ["optionsSureThere", "optionsSureThereWhat"];
  getElement("confirm-title", HTMLElement).textContent = getText(title);
  getElement("confirm-text", HTMLElement).textContent = getText(text);
  confirmDialog.returnValue = "no";
  confirmDialog.showModal();
  return new Promise((resolve) => {
    confirmDialog.addEventListener("close", () => resolve(confirmDialog.returnValue === "yes"), { once: true });
  });
}

/** @param {DataLocation} location */
async function eraseData(location) {
  if (!(await confirmErasure(location))) return;
  const result = await sendMessage("eraseData", { location });
  if ("failed" in result) return showStatus("data-status", getText("optionsNotErased", result.failed), "bad");
  // Firefox stores the consents as well; they are erased with all the rest.
  if (location === "here") await saveConsents({ drafts: false, counts: false });
  showStatus("data-status", getText(location === "here" ? "optionsErasedHere" : "optionsErasedThere"), "good");
}

for (const location of /** @type {DataLocation[]} */ (["here", "service"])) {
  getElement(`export-${location}`, HTMLElement).addEventListener("click", () => void exportData(location));
  getElement(`erase-${location}`, HTMLElement).addEventListener("click", () => void eraseData(location));
}
