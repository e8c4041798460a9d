/** The two consents, as on the welcome page. */

import { words } from "../browser.js";
import { consent, news, part, sayKept } from "../own-pages.js";

const drafts = part("drafts", HTMLInputElement);
const counts = part("counts", HTMLInputElement);

/** @param {import("../messages.js").Status} status */
export function show({ settings }) {
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts;
}

async function keep() {
  const before = { drafts: drafts.checked, counts: counts.checked };
  const kept = await consent(drafts.checked, drafts.checked && counts.checked);
  if (kept) {
    await sayKept("consents-news", kept, { yes: "optionsSaved", no: "optionsSavedNo" });
  } else {
    // Nothing changed on disk, so nobody else puts the switches back.
    drafts.checked &&= !before.drafts;
    counts.checked &&= !before.counts;
    news("consents-news", words("welcomeNotKept"), "bad");
  }
}

drafts.addEventListener("change", keep);
counts.addEventListener("change", keep);
