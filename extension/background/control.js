/** Consent and control: what the popup, the options and the browser itself ask for and change. */

import { browser } from "../browser.js";
import * as api from "./api.js";
import * as asking from "./asking.js";
import * as drafts from "./drafts.js";
import { messageOf } from "./faults.js";
import * as outbox from "./outbox.js";
import * as pages from "./pages.js";
import * as settings from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../messages.js").Health} Health */
/** @typedef {import("../messages.js").Settings} Settings */
/** @typedef {import("../messages.js").Status} Status */
/** @typedef {import("../messages.js").Where} Where */

const PAUSE = "pause";

/** @type {Readonly<Health>} */
const UNKNOWN = Object.freeze({ service: "away", message: "", model: "", database: "" });

/** @returns {Promise<Status>} */
export async function status() {
  await drafts.take();
  const { events, lost } = await outbox.read();
  return { settings: await settings.read(), waiting: events.length, lost, tally: await drafts.tallied() };
}

/** @returns {Promise<Health>} */
export async function check() {
  const current = await settings.read();
  return settings.mayAsk(current) ? healthOf(() => api.ready(current)) : { ...UNKNOWN, service: "off" };
}

/**
 * How another service is, and whether it takes the key.
 *
 * @param {string} server
 * @param {string} api_key
 */
export function test(server, api_key) {
  return healthOf(async () => {
    const other = { ...settings.DEFAULTS, server: settings.address(server), api_key: api_key.trim() };
    const health = await api.ready(other);
    await api.tryKey(other);
    return health;
  });
}

/**
 * @param {() => Promise<{model: string, database: Health["database"]}>} ask
 * @returns {Promise<Health>}
 */
async function healthOf(ask) {
  try {
    return { ...UNKNOWN, service: "ready", ...(await ask()) };
  } catch (error) {
    return { ...UNKNOWN, service: "away", message: messageOf(error) };
  }
}

/**
 * @param {(before: Settings) => Partial<Settings>} changes
 * @returns {Promise<Settings>}
 */
export async function change(changes) {
  const [before, after] = await storage.alone(async () => {
    const before = await settings.read();
    const next = settings.changed(before, changes(before));
    if (next.install_id !== before.install_id) await begunAnew(next);
    else if (settings.mayCount(next)) await outbox.put({ settings: next });
    else {
      await outbox.put({ settings: next, outbox: outbox.emptied(await outbox.read()) });
      await drafts.forgetHandedOver();
    }
    return [before, next];
  });
  await wakeAtPauseEnd(after);
  await heeded(before, after);
  return after;
}

/**
 * Pages have the scripts that are agreed to, and hear of what has changed. The list of tags never to show is followed
 * by chips that are there; after any other change they are put up anew.
 *
 * @param {Settings} before
 * @param {Settings} after
 */
async function heeded(before, after) {
  await pages.register();
  const sameButNever = JSON.stringify({ ...before, never: [] }) === JSON.stringify({ ...after, never: [] });
  if (sameButNever) await pages.tell("never", { never: after.never });
  else await pages.tell("settings", {});
}

/** Another install from now on: nothing of the one before is its own. To be called inside `alone`. @param {Settings} next */
async function begunAnew(next) {
  await drafts.forgetAll();
  await outbox.put({ settings: next, outbox: outbox.fresh() });
}

/**
 * Pages hear of changed settings only, so a pause's end has to be one. The alarm is made again at each start.
 *
 * @param {Settings} current
 */
async function wakeAtPauseEnd({ paused_until }) {
  if (paused_until) await browser.alarms.create(PAUSE, { when: paused_until });
  else await browser.alarms.clear(PAUSE);
}

/** A pause whose time is over. */
export async function endPause() {
  const { paused_until } = await settings.read();
  if (paused_until && paused_until <= Date.now()) await change(() => ({ paused_until: 0 }));
}

/** Whether an alarm ends a pause. @param {{name: string}} alarm */
export const endsPause = (alarm) => alarm.name === PAUSE;

/** After a start: a pause may be over, and its alarm is gone with the browser. */
export async function resumePause() {
  await endPause();
  await wakeAtPauseEnd(await settings.read());
}

/** In Firefox, a consent may have been taken back outside our pages, and while we were not running. */
export async function heedBrowsersConsent() {
  const { data_collection: kinds } = /** @type {{data_collection?: string[]}} */ (await browser.permissions.getAll());
  if (!kinds) return;
  const { drafts, counts } = await settings.read();
  if (drafts && !kinds.includes("websiteContent")) await change(() => ({ drafts: false }));
  const toCount = ["websiteActivity", "technicalAndInteraction"];
  if (counts && !toCount.every((kind) => kinds.includes(kind))) await change(() => ({ counts: false }));
}

/** @param {{where: Where}} said @returns {Promise<{data: unknown} | {failed: string}>} */
export async function exportData({ where }) {
  try {
    return { data: await (where === "here" ? everythingHere() : api.exportInstall(await settings.read())) };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

/** @param {{where: Where}} said @returns {Promise<{settings: Settings} | {failed: string}>} */
export async function erase({ where }) {
  try {
    return { settings: await (where === "here" ? eraseHere() : eraseAtService()) };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

/** All that is kept in this browser, but for the key, which is not the writer's to pass on. */
async function everythingHere() {
  await drafts.take();
  const { api_key, ...others } = await settings.read();
  return { ...(await browser.storage.local.get(null)), ...(await storage.get()), settings: others };
}

/** Forgets all here, as if just installed; the service is not asked. */
async function eraseHere() {
  await outbox.sending(() =>
    storage.alone(async () => {
      asking.stop();
      await browser.alarms.clearAll();
      await browser.storage.session.remove("tabs");
      await browser.storage.local.clear();
      await storage.clear();
    }),
  );
  await pages.register();
  await pages.tell("settings", {});
  return settings.read();
}

/** Erases this install at the service, then what is kept of it here; after that it is a new one. */
async function eraseAtService() {
  // With no batch on its way: one that arrived late would be recorded again.
  const after = await outbox.sending(async () => {
    asking.stop();
    const current = await settings.read();
    if (current.install_id !== null) await api.eraseInstall(current);
    return storage.alone(async () => {
      const latest = await settings.read();
      const next = { ...latest, install_id: latest.drafts ? crypto.randomUUID() : null };
      await begunAnew(next);
      return next;
    });
  });
  await pages.tell("settings", {});
  return after;
}
