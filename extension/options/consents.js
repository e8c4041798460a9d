/** The two consents, as on the welcome page. */

import { saveConsents, showSaved } from "../shared/consent-form.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { getSelectedSource } from "../shared/source-form.js";
import { usesDevice } from "../shared/sources.js";

const drafts = getElement("drafts", HTMLInputElement);
const counts = getElement("counts", HTMLInputElement);

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts && !usesDevice(settings);
  // On this device, no drafts are sent, whatever was agreed to for a service.
  getElement("drafts-switch", HTMLElement).hidden = settings.source === "device";
  getElement("counts-device", HTMLElement).hidden = !usesDevice(settings);
}

async function save() {
  const hasTags = drafts.checked || usesDevice({ source: getSelectedSource() });
  const wanted = { drafts: drafts.checked, counts: counts.checked && hasTags };
  const settings = await saveConsents(wanted);
  if (settings) {
    await showSaved("consents-status", settings, { on: "optionsSaved", off: "optionsSavedNo" });
  } else {
    // Nothing was stored, so no storage change resets the switches.
    drafts.checked &&= !wanted.drafts;
    counts.checked &&= !wanted.counts;
    showStatus("consents-status", getText("welcomeNotKept"), "bad");
  }
}

drafts.addEventListener("change", save);
counts.addEventListener("change", save);
