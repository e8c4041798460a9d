/** Where tags come from. */

import { showSaved } from "../shared/consent-form.js";
import { getElement, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";
import {
  getSelectedSource,
  offerLocalService,
  onSourceSelected,
  selectSource,
  showDeviceProblem,
} from "../shared/source-form.js";
import { usesDevice } from "../shared/sources.js";

/** @typedef {import("../shared/protocol.js").Settings} Settings */

const STATUS = "source-status";
/** @type {Settings["source"] | undefined} as last shown */
let shown;

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  if (settings.source === shown) return;
  shown = settings.source;
  selectSource(shown);
  getElement("device-problem", HTMLElement).hidden = true;
  if (usesDevice(settings)) void showDeviceProblem();
}

async function save() {
  const settings = await sendMessage("changeSettings", { changes: { source: getSelectedSource() } });
  const isAskingConsent = settings.source !== "device" && !settings.drafts;
  if (isAskingConsent) showStatus(STATUS, getText(`sourceAsks_${settings.source}`));
  else await showSaved(STATUS, settings, { on: "optionsSaved", off: "optionsSaved" });
}

onSourceSelected(() => void save());
offerLocalService(
  async () => (await sendMessage("getStatus", {})).settings,
  () => void save(),
);
