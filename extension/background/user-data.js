/** The writer's data: its status, export and erasure, in this browser and at the service. */

import { browser } from "../shared/browser.js";
import { userMessage } from "../shared/errors.js";
import { eraseInstall, exportInstall } from "./api.js";
import { beginNewInstall, startNewInstall } from "./consent.js";
import { broadcast } from "./content-scripts.js";
import { clearTabDrafts, readStats } from "./draft-store.js";
import { withSendingLock, withStorageLock } from "./lock.js";
import { deleteStoredModel } from "./model-store.js";
import { readOutbox } from "./outbox.js";
import { collectEvents } from "./page-events.js";
import { readSettings } from "./settings.js";
import * as storage from "./storage.js";
import { abortAllRequests } from "./tab-requests.js";

/** @typedef {import("../shared/protocol.js").DataLocation} DataLocation */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").Status} Status */

/** @returns {Promise<Status>} */
export async function getStatus() {
  await collectEvents();
  const { events, lost } = await readOutbox();
  return { settings: await readSettings(), waiting: events.length, lost, stats: await readStats() };
}

/** @param {{location: DataLocation}} message @returns {Promise<{data: unknown} | {failed: string}>} */
export async function exportData({ location }) {
  try {
    return { data: await (location === "here" ? exportBrowserData() : exportInstall(await readSettings())) };
  } catch (error) {
    return { failed: userMessage(error) };
  }
}

/** @param {{location: DataLocation}} message @returns {Promise<{settings: Settings} | {failed: string}>} */
export async function eraseData({ location }) {
  try {
    return { settings: await (location === "here" ? eraseBrowserData() : eraseServiceData()) };
  } catch (error) {
    return { failed: userMessage(error) };
  }
}

/** Return all that is stored in this browser except the API key, which must not be passed on with the export. */
async function exportBrowserData() {
  await collectEvents();
  const { api_key, ...settings } = await readSettings();
  return { ...(await browser.storage.local.get(null)), ...(await storage.get()), settings };
}

/** Delete everything in this browser, as if newly installed, without asking the service. */
async function eraseBrowserData() {
  await withSendingLock(() =>
    withStorageLock(async () => {
      abortAllRequests();
      await browser.alarms.clearAll();
      await clearTabDrafts();
      await browser.storage.local.clear();
      await storage.clear();
      await deleteStoredModel();
    }),
  );
  await beginNewInstall();
  return readSettings();
}

/** Erase this install at the service, then its data here, and start a new install. */
async function eraseServiceData() {
  // With no batch on its way: one that arrives late would be recorded again.
  const settings = await withSendingLock(async () => {
    abortAllRequests();
    const current = await readSettings();
    if (current.install_id !== null) await eraseInstall(current);
    return withStorageLock(async () => {
      const latest = await readSettings();
      const next = { ...latest, install_id: latest.drafts || latest.counts ? crypto.randomUUID() : null };
      await startNewInstall(next);
      return next;
    });
  });
  await broadcast("settingsChanged", {});
  return settings;
}
