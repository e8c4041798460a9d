/** The page at install: says what would be sent, and asks. Nothing is sent before this page has a yes. */

import { suggestionRequest } from "../background/api.js";
import { DEFAULTS, ownMachine } from "../background/settings.js";
import { words } from "../browser.js";
import { consent, localise, news, openWhen, part, sayKept } from "../own-pages.js";
import { say } from "../say.js";

/** @typedef {import("../messages.js").Draft} Draft */
/** @typedef {import("../messages.js").ItemEvent} ItemEvent */
/** @typedef {import("../messages.js").Settings} Settings */
/** @typedef {import("../background/outbox.js").PostedEvent} PostedEvent */

/** The ids of the examples: random like the real ones, and nobody's. */
const INSTALL = "5f0c2a86-2f0b-4d3e-9d5f-6a0a3c1b7e21";
const DRAFT = "c9a4e0d2-71c3-4c5b-8a8e-0f6d2b94e7a5";
const SUGGESTION = "0b8f6e14-95d7-4f0c-b0b2-d1a2c3e4f506";
const [FIRST, SECOND, THIRD] = [
  "e2d1c0b9-a897-4685-9473-625140f3e2d1",
  "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d",
  "9b8a7c6d-5e4f-4d3c-ab2a-19080f7e6d5c",
];

/** @type {Draft} */
const SAMPLE = {
  kind: "ask",
  page: "classic",
  site: "stackoverflow.com",
  title: "How do I merge two data frames on an index?",
  body: "I have two frames with the same index.\nHow do I put their columns side by side?",
  body_format: "markdown",
  chosen_tags: ["python"],
};

const OF_ITEM = { draft_id: DRAFT, suggestion_id: SUGGESTION, tag: "pandas" };

/** @type {((ItemEvent | PostedEvent) & {sequence: number})[]} */
const EVENTS = [
  { id: FIRST, sequence: 1, occurred_at: "2026-03-02T09:14:05.120Z", kind: "viewed", ...OF_ITEM, position: 1 },
  { id: SECOND, sequence: 2, occurred_at: "2026-03-02T09:14:09.480Z", kind: "accepted", ...OF_ITEM },
  {
    id: THIRD,
    sequence: 3,
    occurred_at: "2026-03-02T09:20:31.007Z",
    kind: "posted",
    draft_id: DRAFT,
    tags: ["python", "pandas"],
    question_id: 79000001,
    site: "stackoverflow.com",
  },
];

const drafts = part("drafts", HTMLInputElement);
const counts = part("counts", HTMLInputElement);
const how = part("how", HTMLElement);
let settings = DEFAULTS;

/** Shows the requests as they would be sent under the consents chosen now. */
function showExamples() {
  const chosen = { ...settings, install_id: settings.install_id ?? INSTALL, counts: counts.checked };
  const draft = JSON.stringify(suggestionRequest(chosen, DRAFT, SAMPLE), null, 2);
  part("drafts-example", HTMLElement).textContent = request("suggestions", draft);
  const head = `"install_id": "${chosen.install_id}",\n  "sent_at": "2026-03-02T09:20:31.050Z"`;
  const events = EVENTS.map((event) => `    ${JSON.stringify(event)}`).join(",\n");
  part("counts-example", HTMLElement).textContent = request("events", `{\n  ${head},\n  "events": [\n${events}\n  ]\n}`);
}

/** @param {"suggestions" | "events"} what @param {string} body */
function request(what, body) {
  const key = settings.api_key ? ["Authorization: Bearer …"] : [];
  return [`POST ${settings.server}/api/v1/${what}`, ...key, "", body].join("\n");
}

async function show() {
  ({ settings } = await say("status", {}));
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts;
  part("where", HTMLElement).textContent = settings.server;
  part("whose", HTMLElement).textContent = words(ownMachine(settings.server) ? "consentOwn" : "consentOther");
  showExamples();
}

localise();
part("sample-title", HTMLElement).textContent = SAMPLE.title;
part("sample-body", HTMLElement).textContent = SAMPLE.body;
part("sample-tags", HTMLElement).textContent = SAMPLE.chosen_tags.join(" ");
drafts.addEventListener("change", () => {
  counts.disabled = !drafts.checked;
  counts.checked &&= drafts.checked;
  showExamples();
});
counts.addEventListener("change", showExamples);

/** Says what was kept; and, while no service answers, how to get one. */
async function tellKept() {
  const missing = await sayKept("news", settings, { yes: "welcomeYes", no: "welcomeNo" });
  how.hidden = !missing;
  part("how-text", HTMLElement).textContent = words(ownMachine(settings.server) ? "welcomeHowOwn" : "welcomeHowOther");
}

// Come back to once a service was started.
addEventListener("focus", () => how.hidden || void tellKept());
part("form", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  const kept = await consent(drafts.checked, counts.checked);
  part("ask", HTMLElement).hidden = !kept?.drafts;
  settings = kept ?? settings;
  if (kept === null) news("news", words("welcomeNotKept"), "bad");
  else void tellKept();
  // Enter in a switch saves as well: what comes next is here, not where the switch is.
  part("news", HTMLElement).focus({ preventScroll: true });
});
await openWhen(show());
