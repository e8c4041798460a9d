/** The two consents, as on the welcome page. */

import { saveConsents, showConsentsSaved } from "../shared/consent-form.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";

const drafts = getElement("drafts", HTMLInputElement);
const counts = getElement("counts", HTMLInputElement);

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts;
}

async function save() {
  const wanted = { drafts: drafts.checked, counts: counts.checked };
  const settings = await saveConsents(wanted.drafts, wanted.drafts && wanted.counts);
  if (settings) {
    await showConsentsSaved("consents-status", settings, { on: "optionsSaved", off: "optionsSavedNo" });
  } else {
    // Nothing was stored, so no storage change resets the switches.
    drafts.checked &&= !wanted.drafts;
    counts.checked &&= !wanted.counts;
    showStatus("consents-status", getText("welcomeNotKept"), "bad");
  }
}

drafts.addEventListener("change", save);
counts.addEventListener("change", save);
