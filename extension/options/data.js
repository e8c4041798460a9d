/** The writer's data, in this browser and at the service: to be had as a file, and erased. */

import { counted, words } from "../browser.js";
import { consent, news, part } from "../own-pages.js";
import { say } from "../say.js";

/** @typedef {import("../messages.js").Where} Where */

const sure = part("sure", HTMLDialogElement);

/** @param {import("../messages.js").Status} status */
export function show({ settings, lost }) {
  const unknown = settings.install_id === null;
  part("install", HTMLElement).textContent = settings.install_id ?? words("optionsNoInstall");
  for (const id of ["export-service", "erase-service"]) part(id, HTMLButtonElement).disabled = unknown;
  const line = part("lost", HTMLElement);
  line.hidden = lost === 0;
  line.textContent = counted("optionsLost", lost);
}

/** @param {Where} where */
async function save(where) {
  const told = await say("export", { where });
  if ("failed" in told) return news("data-news", told.failed, "bad");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(told.data, null, 2)], { type: "application/json" }));
  link.download = where === "here" ? "tagalong-browser.json" : "tagalong-service.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  news("data-news", words("optionsExported", link.download), "good");
}

/** Whether the writer says yes once more. @param {Where} where @returns {Promise<boolean>} */
function confirmed(where) {
  part("sure-title", HTMLElement).textContent = words(where === "here" ? "optionsSureHere" : "optionsSureThere");
  part("sure-text", HTMLElement).textContent = words(where === "here" ? "optionsSureHereWhat" : "optionsSureThereWhat");
  sure.returnValue = "no";
  sure.showModal();
  return new Promise((resolve) => {
    sure.addEventListener("close", () => resolve(sure.returnValue === "yes"), { once: true });
  });
}

/** @param {Where} where */
async function erase(where) {
  if (!(await confirmed(where))) return;
  const told = await say("erase", { where });
  if ("failed" in told) return news("data-news", words("optionsNotErased", told.failed), "bad");
  // Firefox has kept the yes as well; here it goes with all the rest.
  if (where === "here") await consent(false, false);
  news("data-news", words(where === "here" ? "optionsErasedHere" : "optionsErasedThere"), "good");
}

for (const where of /** @type {Where[]} */ (["here", "service"])) {
  part(`export-${where}`, HTMLElement).addEventListener("click", () => void save(where));
  part(`erase-${where}`, HTMLElement).addEventListener("click", () => void erase(where));
}
