/** The page that opens at install: tags come from this device; it shows what a service would be sent, and asks. */

import { browser } from "../shared/browser.js";
import { saveConsents, showSaved } from "../shared/consent-form.js";
import { getElement, localizePage, showPageWhen, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import { isLocalServer } from "../shared/server-address.js";
import { DEFAULT_SETTINGS } from "../shared/settings-defaults.js";
import {
  getSelectedSource,
  offerLocalService,
  onSourceSelected,
  selectSource,
  showDeviceProblem,
} from "../shared/source-form.js";
import { allowsSuggestions, usesDevice, usesService } from "../shared/sources.js";
import { buildSuggestionRequest } from "../shared/suggestion-request.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */
/** @typedef {import("../shared/protocol.js").PostedEvent} PostedEvent */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").SuggestedEvent} SuggestedEvent */

/** Ids of the examples: random like real ones, and nobody's. */
const INSTALL_ID = "5f0c2a86-2f0b-4d3e-9d5f-6a0a3c1b7e21";
const DRAFT_ID = "c9a4e0d2-71c3-4c5b-8a8e-0f6d2b94e7a5";
const SUGGESTION_ID = "0b8f6e14-95d7-4f0c-b0b2-d1a2c3e4f506";
const [SUGGESTED_ID, VIEWED_ID, ACCEPTED_ID, POSTED_ID] = [
  "7c6b5a49-3827-4165-8f4e-3d2c1b0a9f8e",
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

/** What is sent besides for an answer of the model on this device. @type {SuggestedEvent & {sequence: number}} */
const SAMPLE_DEVICE_ANSWER = {
  id: SUGGESTED_ID,
  sequence: 1,
  occurred_at: "2026-03-02T09:14:04.310Z",
  kind: "suggested",
  draft_id: DRAFT_ID,
  suggestion_id: SUGGESTION_ID,
  draft_kind: "ask",
  site: "stackoverflow.com",
  page: "classic",
  extension_version: browser.runtime.getManifest().version,
  model_version: "light-0f2b9c4e",
  tags: ["pandas", "dataframe", "merge", "join", "numpy"],
  scores: [0.94, 0.71, 0.38, 0.12, 0.04],
  confident: 3,
  title_chars: SAMPLE_DRAFT.title.length,
  body_chars: SAMPLE_DRAFT.body.length,
  latency_ms: 2.6,
  order: "model",
  chosen_tags: SAMPLE_DRAFT.chosen_tags,
};

const drafts = getElement("drafts", HTMLInputElement);
const counts = getElement("counts", HTMLInputElement);
const serviceHelp = getElement("service-help", HTMLElement);
let settings = DEFAULT_SETTINGS;

/** Return the events of the sample draft, as they would be sent with the source that is selected. */
function createSampleEvents() {
  if (!usesDevice({ source: getSelectedSource() })) return SAMPLE_EVENTS;
  const rest = SAMPLE_EVENTS.map((event) => ({
    ...event,
    sequence: event.sequence + 1,
    ...("suggestion_id" in event && { origin: "device" }),
  }));
  return [SAMPLE_DEVICE_ANSWER, ...rest];
}

/** Show the requests as they would be sent with the form as it is. */
function showExamples() {
  const examples = { ...settings, install_id: settings.install_id ?? INSTALL_ID, counts: counts.checked };
  const draft = JSON.stringify(buildSuggestionRequest(examples, DRAFT_ID, SAMPLE_DRAFT), null, 2);
  getElement("drafts-example", HTMLElement).textContent = formatRequest("suggestions", draft);
  const head = `"install_id": "${examples.install_id}",\n  "sent_at": "2026-03-02T09:20:31.050Z"`;
  const events = createSampleEvents().map((event) => `    ${JSON.stringify(event)}`).join(",\n");
  const body = `{\n  ${head},\n  "events": [\n${events}\n  ]\n}`;
  getElement("counts-example", HTMLElement).textContent = formatRequest("events", body);
}

/** @param {"suggestions" | "events"} resource @param {string} body */
function formatRequest(resource, body) {
  const key = settings.api_key ? ["Authorization: Bearer …"] : [];
  return [`POST ${settings.server}/api/v1/${resource}`, ...key, "", body].join("\n");
}

/** Show what is true now, before anything is changed. */
async function showNow() {
  const isWorking = usesDevice(settings) && (await showDeviceProblem());
  const from = usesService(settings) ? "service" : isWorking ? "device" : "nothing";
  getElement("now", HTMLElement).textContent = getText(`welcomeNow_${from}`, settings.server);
  getElement("ask-now", HTMLElement).hidden = !allowsSuggestions(settings);
}

/** Show the parts of the form that belong to the source that is selected. */
function showForm() {
  const source = getSelectedSource();
  getElement("drafts-card", HTMLElement).hidden = source === "device";
  counts.disabled = !usesDevice({ source }) && !drafts.checked;
  if (counts.disabled) counts.checked = false;
  getElement("counts-device", HTMLElement).hidden = !usesDevice({ source });
  showExamples();
}

async function show() {
  ({ settings } = await sendMessage("getStatus", {}));
  selectSource(settings.source);
  drafts.checked = settings.drafts;
  counts.checked = settings.counts;
  for (const element of document.querySelectorAll(".server")) element.textContent = settings.server;
  const owner = getText(isLocalServer(settings.server) ? "consentOwn" : "consentOther");
  for (const element of document.querySelectorAll(".server-owner")) element.textContent = owner;
  showForm();
  await showNow();
}

/** Show what was saved and, while no service answers, how to start one. */
async function showResult() {
  const missing = await showSaved("status", settings, { on: "welcomeYes", off: "welcomeNo" });
  serviceHelp.hidden = !missing;
  const key = isLocalServer(settings.server) ? "welcomeHowOwn" : "welcomeHowOther";
  getElement("service-help-text", HTMLElement).textContent = getText(key);
}

localizePage();
getElement("sample-title", HTMLElement).textContent = SAMPLE_DRAFT.title;
getElement("sample-body", HTMLElement).textContent = SAMPLE_DRAFT.body;
getElement("sample-tags", HTMLElement).textContent = SAMPLE_DRAFT.chosen_tags.join(" ");
onSourceSelected(showForm);
drafts.addEventListener("change", showForm);
counts.addEventListener("change", showExamples);
// The writer may have started the service and come back.
addEventListener("focus", () => serviceHelp.hidden || void showResult());
getElement("form", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  const source = getSelectedSource();
  // Nobody agrees to what they do not see: on this device, drafts are not asked about.
  const agreed = source === "device" ? settings.drafts : drafts.checked;
  const saved = await saveConsents({ source, drafts: agreed, counts: counts.checked });
  settings = saved ?? settings;
  getElement("ask-link", HTMLElement).hidden = saved === null || !allowsSuggestions(saved);
  if (saved === null) showStatus("status", getText("welcomeNotKept"), "bad");
  else void Promise.all([showNow(), showResult()]);
  // Enter in a switch saves as well: focus goes to the result.
  getElement("status", HTMLElement).focus({ preventScroll: true });
});
await showPageWhen(show());
offerLocalService(
  async () => settings,
  () => {
    showForm();
    drafts.focus();
  },
);
