/** The background: answers every message, talks to the service, and stores what must not be lost. */

import { browser } from "../shared/browser.js";
import { runInBackground, userMessage } from "../shared/errors.js";
import { getSite } from "../shared/site.js";
import {
  beginNewInstall,
  changeSettings,
  endPause,
  isPauseAlarm,
  resumePause,
  setTagBlocked,
  syncBrowserConsents,
} from "./consent.js";
import { updateContentScripts } from "./content-scripts.js";
import { warmDeviceModel } from "./device-model.js";
import { discardDraft, isDraftOfTab, openDraft, replaceTab } from "./drafts.js";
import { updateModel } from "./model-updates.js";
import { flushOutbox, isOutboxAlarm, readOutbox, sendDueEvents, sendNewEvents } from "./outbox.js";
import { collectEvents, collectLeftEvents } from "./page-events.js";
import { mayComeFromPage } from "./page-messages.js";
import { checkDevice, checkService, findLocalService, testService } from "./service-health.js";
import { maySuggest, readSettings } from "./settings.js";
import { handleQuestionOpened, withdrawSubmission } from "./submissions.js";
import { suggest } from "./suggest.js";
import { eraseData, exportData, getStatus } from "./user-data.js";

/** @typedef {import("../shared/protocol.js").Messages} Messages */

/**
 * @typedef {object} Sender
 * @property {number} tab  -1: a page of our own
 * @property {string} site  empty: a page of our own
 * @property {string} path
 */

/**
 * One listener for each message type.
 *
 * @type {{[K in keyof Messages]: (fields: Messages[K]["fields"], sender: Sender) => Promise<Messages[K]["answer"]>}}
 */
const listeners = {
  async getPageSettings({ entered }, { tab, site }) {
    if (entered) await withdrawSubmission(tab);
    const settings = await readSettings();
    return { on: maySuggest(settings, site), debounce_ms: settings.debounce_ms, blocked_tags: settings.never };
  },
  openDraft: (page, { tab, site, path }) => openDraft(tab, page.kind === "edit" ? site + path : site, page),
  // The browser has started the worker to deliver it.
  async wake() {
    await warmDeviceModel();
    return null;
  },
  async suggest({ draft_id, draft }, { tab, site }) {
    runInBackground(warmDeviceModel());
    if (!(await isDraftOfTab(tab, draft_id))) throw new Error("not the draft of this tab");
    return suggest(draft_id, { ...draft, site }, tab);
  },
  async eventsStored({ unsaved }, { tab }) {
    await collectEvents(unsaved, tab);
    runInBackground(sendNewEvents());
    return null;
  },
  async questionOpened(opened, { tab, site }) {
    if (await handleQuestionOpened(tab, site, opened)) runInBackground(sendNewEvents());
    return null;
  },
  async draftDiscarded(_, { tab }) {
    await discardDraft(tab);
    return null;
  },
  async setTagBlocked({ tag, blocked }) {
    await setTagBlocked(tag, blocked);
    return null;
  },
  getStatus,
  checkDevice,
  checkService,
  findLocalService,
  testService: ({ server, api_key }) => testService(server, api_key),
  changeSettings: ({ changes }) => changeSettings(() => changes),
  async flushOutbox() {
    await collectEvents();
    await flushOutbox();
    return { waiting: (await readOutbox()).events.length };
  },
  exportData,
  eraseData,
};

browser.runtime.onMessage.addListener((message, sender, reply) => {
  const type = /** @type {keyof Messages} */ (message?.type);
  if (!Object.hasOwn(listeners, type)) return false;
  const isOwnPage = sender.url?.startsWith(browser.runtime.getURL("")) ?? false;
  if (!isOwnPage && !mayComeFromPage(message)) return false;
  /** @type {(fields: any, sender: Sender) => Promise<unknown>} */
  const listener = listeners[type];
  listener(message, parseSender(isOwnPage ? undefined : sender.url, sender.tab?.id)).then(
    (answer) => reply({ answer }),
    (error) => {
      console.error(error);
      reply({ error: userMessage(error) });
    },
  );
  return true;
});

/**
 * @param {string | undefined} url  undefined: a page of our own
 * @param {number} [tab]
 * @returns {Sender}
 */
function parseSender(url, tab = -1) {
  if (!url) return { tab, site: "", path: "" };
  const address = new URL(url);
  return { tab, site: getSite(address), path: address.pathname };
}

browser.runtime.onInstalled.addListener(({ reason }) => {
  if (reason === "install") runInBackground(welcomeWriter());
});

/** Suggest tags at once, and open the page that says so and what else there is. */
async function welcomeWriter() {
  await beginNewInstall();
  await browser.tabs.create({ url: browser.runtime.getURL("welcome/welcome.html") });
}

browser.alarms.onAlarm.addListener((alarm) => {
  if (isOutboxAlarm(alarm)) runInBackground(sendDueEvents());
  if (isPauseAlarm(alarm)) runInBackground(endPause());
});

// A tab without chips has no listener for it.
browser.commands.onCommand.addListener((command, tab) => {
  if (command === "chips" && tab?.id) browser.tabs.sendMessage(tab.id, { type: "focusChips" }).catch(() => {});
});

browser.permissions.onRemoved.addListener(() => runInBackground(syncBrowserConsents()));

browser.tabs.onReplaced?.addListener((newTab, oldTab) => runInBackground(replaceTab(newTab, oldTab)));

// Empty, but it makes the browser start the worker, which runs `startWorker` below.
browser.runtime.onStartup.addListener(() => {});

/**
 * Resume what the previous worker left, alarms included. The first worker of a browser session waits for no
 * back-off: everything may have changed since.
 */
async function startWorker() {
  const { begun } = await browser.storage.session.get("begun");
  await browser.storage.session.set({ begun: true });
  await syncBrowserConsents();
  await updateContentScripts();
  await resumePause();
  await (begun ? collectEvents() : collectLeftEvents());
  await (begun ? sendDueEvents() : flushOutbox());
  await updateModel();
}
runInBackground(startWorker());
