/** The page that opens at install: shows what would be sent, and asks for the consents. Nothing is sent before. */

import { saveConsents, showConsentsSaved } from "../shared/consent-form.js";
import { getElement, localizePage, showPageWhen, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import { isLocalServer } from "../shared/server-address.js";
import { DEFAULT_SETTINGS } from "../shared/settings-defaults.js";
import { buildSuggestionRequest } from "../shared/suggestion-request.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").PostedEvent} PostedEvent */
/** @typedef {import("../shared/protocol.js").Settings} Settings */

/** Ids of the examples: random like real ones, and nobody's. */
const INSTALL_ID = "5f0c2a86-2f0b-4d3e-9d5f-6a0a3c1b7e21";
const DRAFT_ID = "c9a4e0d2-71c3-4c5b-8a8e-0f6d2b94e7a5";
const SUGGESTION_ID = "0b8f6e14-95d7-4f0c-b0b2-d1a2c3e4f506";
const [VIEWED_ID, ACCEPTED_ID, POSTED_ID] = [
  "e2d1c0b9-a897-4685-9473-625140f3e2d1",
  "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d",
  "9b8a7c6d-5e4f-4d3c-ab2a-19080f7e6d5c",
];

/** @type {Draft} */
const SAMPLE_DRAFT = {
  kind: "ask",
  page: "classic",
  site: "stackoverflow.com",
  title: "How do I merge two data frames on an index?",
  body: "I have two frames with the same index.\nHow do I put their columns side by side?",
  body_format: "markdown",
  chosen_tags: ["python"],
};

const SAMPLE_ITEM = { draft_id: DRAFT_ID, suggestion_id: SUGGESTION_ID, tag: "pandas" };

/** @type {((ItemEvent | PostedEvent) & {sequence: number})[]} */
const SAMPLE_EVENTS = [
  { id: VIEWED_ID, sequence: 1, occurred_at: "2026-03-02T09:14:05.120Z", kind: "viewed", ...SAMPLE_ITEM, position: 1 },
  { id: ACCEPTED_ID, sequence: 2, occurred_at: "2026-03-02T09:14:09.480Z", kind: "accepted", ...SAMPLE_ITEM },
  {
    id: POSTED_ID,
    sequence: 3,
    occurred_at: "2026-03-02T09:20:31.007Z",
    kind: "posted",
    draft_id: DRAFT_ID,
    tags: ["python", "pandas"],
    question_id: 79000001,
    site: "stackoverflow.com",
  },
];

const drafts = getElement("drafts", HTMLInputElement);
const counts = getElement("counts", HTMLInputElement);
const serviceHelp = getElement("service-help", HTMLElement);
let settings = DEFAULT_SETTINGS;

/** Show the requests as they would be sent with the switches as they are. */
function showExamples() {
  const examples = { ...settings, install_id: settings.install_id ?? INSTALL_ID, counts: counts.checked };
  const draft = JSON.stringify(buildSuggestionRequest(examples, DRAFT_ID, SAMPLE_DRAFT), null, 2);
  getElement("drafts-example", HTMLElement).textContent = formatRequest("suggestions", draft);
  const head = `"install_id": "${examples.install_id}",\n  "sent_at": "2026-03-02T09:20:31.050Z"`;
  const events = SAMPLE_EVENTS.map((event) => `    ${JSON.stringify(event)}`).join(",\n");
  const body = `{\n  ${head},\n  "events": [\n${events}\n  ]\n}`;
  getElement("counts-example", HTMLElement).textContent = formatRequest("events", body);
}

/** @param {"suggestions" | "events"} resource @param {string} body */
function formatRequest(resource, body) {
  const key = settings.api_key ? ["Authorization: Bearer …"] : [];
  return [`POST ${settings.server}/api/v1/${resource}`, ...key, "", body].join("\n");
}

async function show() {
  ({ settings } = await sendMessage("getStatus", {}));
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  counts.disabled = !settings.drafts;
  getElement("server", HTMLElement).textContent = settings.server;
  const owner = getText(isLocalServer(settings.server) ? "consentOwn" : "consentOther");
  getElement("server-owner", HTMLElement).textContent = owner;
  showExamples();
}

localizePage();
getElement("sample-title", HTMLElement).textContent = SAMPLE_DRAFT.title;
getElement("sample-body", HTMLElement).textContent = SAMPLE_DRAFT.body;
getElement("sample-tags", HTMLElement).textContent = SAMPLE_DRAFT.chosen_tags.join(" ");
drafts.addEventListener("change", () => {
  counts.disabled = !drafts.checked;
  counts.checked &&= drafts.checked;
  showExamples();
});
counts.addEventListener("change", showExamples);

/** Show what was saved and, while no service answers, how to start one. */
async function showSaved() {
  const missing = await showConsentsSaved("status", settings, { on: "welcomeYes", off: "welcomeNo" });
  serviceHelp.hidden = !missing;
  const key = isLocalServer(settings.server) ? "welcomeHowOwn" : "welcomeHowOther";
  getElement("service-help-text", HTMLElement).textContent = getText(key);
}

// The writer may have started the service and come back.
addEventListener("focus", () => serviceHelp.hidden || void showSaved());
getElement("form", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  const saved = await saveConsents(drafts.checked, counts.checked);
  getElement("ask-link", HTMLElement).hidden = !saved?.drafts;
  settings = saved ?? settings;
  if (saved === null) showStatus("status", getText("welcomeNotKept"), "bad");
  else void showSaved();
  // Enter in a switch saves as well: focus goes to the result.
  getElement("status", HTMLElement).focus({ preventScroll: true });
});
await showPageWhen(show());
