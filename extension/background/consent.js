/** Changes settings and consents, applies the consequences of a change, and ends pauses. */

import { browser } from "../shared/browser.js";
import { DATA_KINDS } from "../shared/data-kinds.js";
import { NEW_INSTALL_SETTINGS } from "../shared/settings-defaults.js";
import { broadcast, updateContentScripts } from "./content-scripts.js";
import { deleteDrafts } from "./drafts.js";
import { withStorageLock } from "./lock.js";
import { newOutbox, readOutbox, storeWithEviction, withoutEvents } from "./outbox.js";
import { deleteUncollected } from "./page-events.js";
import { applyChanges, mayCount, mayNote, readSettings } from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").Settings} Settings */

const PAUSE_ALARM = "pause";

/**
 * Change settings, and return all of them as they are then.
 *
 * @param {(before: Settings) => Partial<Settings>} computeChanges
 * @returns {Promise<Settings>}
 */
export async function changeSettings(computeChanges) {
  const [before, after] = await withStorageLock(async () => {
    const current = await readSettings();
    const next = applyChanges(current, computeChanges(current));
    if (current.install_id !== null && next.install_id !== current.install_id) await startNewInstall(next);
    else {
      // A draft of which a part was not counted would be counted wrong.
      if (mayCount(next) && !mayCount(current)) await deleteDrafts();
      const outbox = mayCount(next) ? {} : { outbox: withoutEvents(await readOutbox()) };
      await storeWithEviction({ settings: next, ...outbox });
      if (!mayNote(next)) await deleteUncollected();
    }
    return [current, next];
  });
  await schedulePauseEnd(after);
  await updatePages(before, after);
  return after;
}

/** Block a tag in all drafts, or unblock it. @param {string} tag @param {boolean} blocked */
export const setTagBlocked = (tag, blocked) =>
  changeSettings(({ never }) => ({ never: blocked ? [...never, tag] : never.filter((other) => other !== tag) }));

/**
 * Register the allowed scripts and notify open pages. Existing chips follow a change of the blocked tags; after any
 * other change they are shown anew.
 *
 * @param {Settings} before
 * @param {Settings} after
 */
async function updatePages(before, after) {
  await updateContentScripts();
  const onlyBlockedTags = JSON.stringify({ ...before, never: [] }) === JSON.stringify({ ...after, never: [] });
  if (onlyBlockedTags) await broadcast("blockedTagsChanged", { blocked_tags: after.never });
  else await broadcast("settingsChanged", {});
}

/**
 * Store the settings of a new install, and delete the data of the old one. Call inside `withStorageLock`.
 *
 * @param {Settings} settings
 */
export async function startNewInstall(settings) {
  await deleteDrafts();
  await storage.remove(["tally"]);
  await storeWithEviction({ settings, outbox: newOutbox() });
}

/** Let a new install suggest tags at once, on this device. One that has settings keeps them. */
export async function beginNewInstall() {
  await withStorageLock(async () => {
    const { settings } = await storage.get("settings");
    if (settings === undefined) await storage.set({ settings: NEW_INSTALL_SETTINGS });
  });
  await updateContentScripts();
  await broadcast("settingsChanged", {});
}

/**
 * Set or clear the alarm that ends a pause: pages hear of changed settings only, so the end has to be such a change.
 *
 * @param {Settings} settings
 */
async function schedulePauseEnd({ paused_until }) {
  if (paused_until) await browser.alarms.create(PAUSE_ALARM, { when: paused_until });
  else await browser.alarms.clear(PAUSE_ALARM);
}

/** @param {{name: string}} alarm */
export const isPauseAlarm = (alarm) => alarm.name === PAUSE_ALARM;

/** End a pause whose time is over. */
export async function endPause() {
  const { paused_until } = await readSettings();
  if (paused_until && paused_until <= Date.now()) await changeSettings(() => ({ paused_until: 0 }));
}

/** Restore a pause after a start: it may be over, and its alarm is gone with the browser. */
export async function resumePause() {
  await endPause();
  await schedulePauseEnd(await readSettings());
}

/** Withdraw consents that were withdrawn in Firefox itself, perhaps while the extension was not running. */
export async function syncBrowserConsents() {
  const { data_collection: kinds } = /** @type {{data_collection?: string[]}} */ (await browser.permissions.getAll());
  if (!kinds) return;
  const settings = await readSettings();
  for (const consent of /** @type {const} */ (["drafts", "counts"])) {
    const granted = DATA_KINDS[consent].every((kind) => kinds.includes(kind));
    if (settings[consent] && !granted) await changeSettings(() => ({ [consent]: false }));
  }
}
