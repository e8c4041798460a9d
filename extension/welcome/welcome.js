/** The page at install: says what would be sent, and asks. Nothing is sent before this page has a yes. */

import { words } from "../browser.js";
import { consent, localise, news, part } from "../own-pages.js";
import { say } from "../say.js";

const DRAFT_EXAMPLE = {
  title: "How do I merge two data frames on an index?",
  body: "I have two frames with the same index and …",
  chosen_tags: ["python"],
  site: "stackoverflow.com",
  install_id: "0d9c1a52-…",
  draft_id: "7b1f66c0-…",
};
const COUNTS_EXAMPLE = [
  { kind: "viewed", tag: "pandas", position: 1, occurred_at: "2026-03-02T09:14:05Z" },
  { kind: "accepted", tag: "pandas", occurred_at: "2026-03-02T09:14:09Z" },
  { kind: "posted", tags: ["python", "pandas"], question_id: 79000001 },
];

localise();
const drafts = part("drafts", HTMLInputElement);
const counts = part("counts", HTMLInputElement);
const { settings } = await say("status", {});

drafts.checked = settings.drafts;
counts.checked = settings.counts;
counts.disabled = !settings.drafts;
part("where", HTMLElement).textContent = settings.server;
part("own", HTMLElement).hidden = !/^https?:\/\/(127\.0\.0\.1|localhost)(:|\/|$)/.test(settings.server);
part("drafts-example", HTMLElement).textContent = JSON.stringify(DRAFT_EXAMPLE, null, 2);
part("counts-example", HTMLElement).textContent = COUNTS_EXAMPLE.map((event) => JSON.stringify(event)).join("\n");

drafts.addEventListener("change", () => {
  counts.disabled = !drafts.checked;
  counts.checked &&= drafts.checked;
});

part("form", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  const kept = await consent(drafts.checked, counts.checked);
  part("ask", HTMLElement).hidden = !kept?.drafts;
  if (kept === null) news(words("welcomeNotKept"), "bad");
  else news(words(kept.drafts ? "welcomeYes" : "welcomeNo"), "good");
});
