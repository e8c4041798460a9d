/** The background: hears every message, relays to the service, keeps on disk what must not be lost. */

import { browser } from "../browser.js";
import { suggest } from "./asking.js";
import * as control from "./control.js";
import * as drafts from "./drafts.js";
import { inBackground, messageOf } from "./faults.js";
import { mayComeFromPage } from "./from-pages.js";
import * as outbox from "./outbox.js";
import * as pages from "./pages.js";
import * as settings from "./settings.js";

/** @typedef {import("../messages.js").Messages} Messages */

/**
 * @typedef {object} Speaker
 * @property {number} tab  -1: a page of our own
 * @property {string} site  empty: a page of our own
 * @property {string} path
 */

/**
 * One listener for each message: what is said and by whom, to what is answered.
 *
 * @type {{[K in keyof Messages]: (said: Messages[K]["says"], by: Speaker) => Promise<Messages[K]["answer"]>}}
 */
const listeners = {
  async hello({ entered }, { tab, site }) {
    // What this tab submitted before did not become a question.
    if (entered) await drafts.withdraw(tab);
    const current = await settings.read();
    return { on: settings.mayAsk(current, site), debounce_ms: current.debounce_ms, never: current.never };
  },
  open: (page, { tab, site, path }) => drafts.open(tab, page.kind === "edit" ? site + path : site, page),
  // The worker has started: that was all.
  wake: async () => null,
  async suggest({ draft_id, draft }, { tab, site }) {
    if (!(await drafts.isOf(tab, draft_id))) throw new Error("not the draft of this tab");
    return suggest(draft_id, { ...draft, site }, tab, site);
  },
  async told({ unsaved }, { tab }) {
    await drafts.take(unsaved, tab);
    inBackground(outbox.sendSoon());
    return null;
  },
  async arrived(arrival, { tab, site }) {
    if (await drafts.arrived(tab, site, arrival)) inBackground(outbox.sendSoon());
    return null;
  },
  async discarded(_, { tab }) {
    await drafts.leave(tab);
    return null;
  },
  async never({ tag, on }) {
    await control.change(({ never }) => ({ never: on ? [...never, tag] : never.filter((other) => other !== tag) }));
    return null;
  },
  status: control.status,
  check: control.check,
  test: ({ server, api_key }) => control.test(server, api_key),
  change: ({ changes }) => control.change(() => changes),
  async flush() {
    await drafts.take();
    await outbox.sendNow();
    return { waiting: (await outbox.read()).events.length };
  },
  export: control.exportData,
  erase: control.erase,
};

browser.runtime.onMessage.addListener((message, sender, reply) => {
  const type = /** @type {keyof Messages} */ (message?.type);
  if (!Object.hasOwn(listeners, type)) return false;
  const own = sender.url?.startsWith(browser.runtime.getURL("")) ?? false;
  if (!own && !mayComeFromPage(message)) return false;
  /** @type {(said: any, by: Speaker) => Promise<unknown>} */
  const listener = listeners[type];
  listener(message, speaker(own ? undefined : sender.url, sender.tab?.id)).then(
    (answer) => reply({ answer }),
    (error) => {
      console.error(error);
      reply({ fault: messageOf(error) });
    },
  );
  return true;
});

/**
 * @param {string | undefined} url  none: a page of our own
 * @param {number} [tab]
 * @returns {Speaker}
 */
function speaker(url, tab = -1) {
  if (!url) return { tab, site: "", path: "" };
  const { hostname, pathname } = new URL(url);
  return { tab, site: hostname.replace(/^www\./, ""), path: pathname };
}

browser.runtime.onInstalled.addListener(({ reason }) => {
  if (reason === "install") {
    inBackground(browser.tabs.create({ url: browser.runtime.getURL("welcome/welcome.html") }));
  }
});

browser.alarms.onAlarm.addListener((alarm) => {
  if (outbox.isOurs(alarm)) inBackground(outbox.send());
  if (control.endsPause(alarm)) inBackground(control.endPause());
});

// A tab without chips has nobody to hear it.
browser.commands.onCommand.addListener((command, tab) => {
  if (command === "chips" && tab?.id) browser.tabs.sendMessage(tab.id, { type: "focus" }).catch(() => {});
});

browser.permissions.onRemoved.addListener(() => inBackground(control.heedBrowsersConsent()));

browser.tabs.onReplaced?.addListener((after, before) => inBackground(drafts.renumber(after, before)));

// Being heard is enough: the browser starts the worker for it, and the worker begins, below.
browser.runtime.onStartup.addListener(() => {});

/**
 * A worker that starts, for whatever reason, first sees to what its predecessor left, alarms included. The
 * first one of a browser's session waits for no back-off: all may be different since yesterday.
 */
async function begin() {
  const { begun } = await browser.storage.session.get("begun");
  await browser.storage.session.set({ begun: true });
  await control.heedBrowsersConsent();
  await pages.register();
  await control.resumePause();
  await drafts.take({}, -1, !begun);
  await (begun ? outbox.send() : outbox.sendNow());
}
inBackground(begin());
