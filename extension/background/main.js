/** The background: hears every message, relays to the service, keeps on disk what must not be lost. */

import { browser } from "../browser.js";
import { OWN_PAGES_ONLY } from "../messages.js";
import * as api from "./api.js";
import * as drafts from "./drafts.js";
import * as outbox from "./outbox.js";
import * as settings from "./settings.js";
import { alone } from "./storage.js";

/** @typedef {import("../messages.js").Messages} Messages */
/** @typedef {import("../messages.js").Answer} Answer */
/** @typedef {import("../messages.js").Settings} Settings */
/** @typedef {import("../messages.js").Status} Status */
/** @typedef {import("../messages.js").Health} Health */

/** Requests on their way, by tab: each dies with its fetch, so a worker's memory is the right place. */
/** @type {Map<number, AbortController>} */
const asking = new Map();

/**
 * One listener for each message: what is said and by which tab (-1: a page of our own), to what is answered.
 *
 * @type {{[K in keyof Messages]:
 *   (said: Messages[K]["says"], tab: number, site: string) => Promise<Messages[K]["answer"]>}}
 */
const listeners = {
  async hello(_, tab) {
    // A page to ask on was loaded: what this tab submitted before did not become a question.
    await drafts.withdraw(tab);
    const current = await settings.read();
    return { on: settings.mayAsk(current), debounce_ms: current.debounce_ms };
  },
  open: ({ title, reloaded }, tab) => drafts.open(tab, title, reloaded),
  suggest: ({ draft_id, draft }, tab) => suggest(draft_id, draft, tab),
  async record({ events }) {
    if (await drafts.record(events)) inBackground(outbox.sendSoon());
    return null;
  },
  async posting({ draft_id, tags, site }, tab) {
    await drafts.posting(tab, { draft_id, tags, site });
    return null;
  },
  async withdrawn(_, tab) {
    await drafts.withdraw(tab);
    return null;
  },
  async arrived({ question_id }, tab, site) {
    if (await drafts.arrived(tab, site, question_id)) inBackground(outbox.sendSoon());
    return null;
  },
  async discarded(_, tab) {
    await drafts.leave(tab);
    return null;
  },
  status,
  check,
  change: ({ changes }) => change(changes),
  async flush() {
    await outbox.sendNow();
    return { waiting: (await outbox.read()).events.length };
  },
  async export() {
    try {
      return { data: await api.exportInstall(await settings.read()) };
    } catch (error) {
      return { failed: messageOf(error) };
    }
  },
  async erase() {
    try {
      return { settings: await erase() };
    } catch (error) {
      return { failed: messageOf(error) };
    }
  },
};

/**
 * @param {string} draft_id
 * @param {import("../messages.js").Draft} draft
 * @param {number} tab
 * @returns {Promise<Answer>}
 */
async function suggest(draft_id, draft, tab) {
  asking.get(tab)?.abort();
  const request = new AbortController();
  asking.set(tab, request);
  try {
    const current = await settings.read();
    if (!settings.mayAsk(current)) return { state: "off" };
    if (request.signal.aborted) return { state: "overtaken" };
    const { suggestion_id, items } = await api.suggest(current, draft_id, draft, request.signal);
    await drafts.touch(draft_id, draft.title, suggestion_id !== null);
    inBackground(outbox.serviceAnswers());
    return { state: "answered", suggestion_id, items };
  } catch (error) {
    return request.signal.aborted ? { state: "overtaken" } : { state: "away", message: messageOf(error) };
  } finally {
    if (asking.get(tab) === request) asking.delete(tab);
  }
}

/** @returns {Promise<Status>} */
async function status() {
  const [current, { events, lost }] = [await settings.read(), await outbox.read()];
  return { settings: current, waiting: events.length, lost };
}

/** @returns {Promise<Health>} */
async function check() {
  const current = await settings.read();
  if (!settings.mayAsk(current)) return { service: "off", message: "" };
  try {
    await api.ready(current);
    return { service: "ready", message: "" };
  } catch (error) {
    return { service: "away", message: messageOf(error) };
  }
}

/**
 * @param {Partial<Settings>} changes
 * @returns {Promise<Settings>}
 */
function change(changes) {
  return alone(async () => {
    const before = await settings.read();
    const after = settings.changed(before, changes);
    const kept = await outbox.read();
    if (after.install_id !== before.install_id) {
      await drafts.forgetAll();
      await browser.storage.local.set({ settings: after, outbox: outbox.fresh() });
    } else if (!settings.mayCount(after)) {
      await browser.storage.local.set({ settings: after, outbox: outbox.emptied(kept) });
    } else {
      await browser.storage.local.set({ settings: after });
    }
    return after;
  });
}

/**
 * Erases this install at the service, then here; after that it is a new one.
 *
 * @returns {Promise<Settings>}
 */
function erase() {
  // With no batch on its way: one that arrived late would be recorded again.
  return outbox.sending(async () => {
    for (const request of asking.values()) request.abort();
    const current = await settings.read();
    if (current.install_id !== null) await api.eraseInstall(current);
    return alone(async () => {
      const latest = await settings.read();
      const after = { ...latest, install_id: latest.drafts ? crypto.randomUUID() : null };
      await drafts.forgetAll();
      await browser.storage.local.set({ settings: after, outbox: outbox.fresh() });
      return after;
    });
  });
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Work that nobody waits for; a failure of it is a fault of ours. @param {Promise<unknown>} work */
const inBackground = (work) => void work.catch((error) => console.error(error));

browser.runtime.onMessage.addListener((message, sender, reply) => {
  const type = /** @type {keyof Messages} */ (message?.type);
  if (!Object.hasOwn(listeners, type)) return false;
  const own = sender.url?.startsWith(browser.runtime.getURL("")) ?? false;
  if (OWN_PAGES_ONLY.includes(type) && !own) return false;
  const site = own || !sender.url ? "" : siteOf(sender.url);
  /** @type {(said: any, tab: number, site: string) => Promise<unknown>} */
  const listener = listeners[type];
  listener(message, sender.tab?.id ?? -1, site).then(
    (answer) => reply({ answer }),
    (error) => {
      console.error(error);
      reply({ fault: messageOf(error) });
    },
  );
  return true;
});

/** @param {string} url */
const siteOf = (url) => new URL(url).hostname.replace(/^www\./, "");

browser.runtime.onInstalled.addListener(({ reason }) => {
  if (reason === "install") {
    inBackground(browser.tabs.create({ url: browser.runtime.getURL("welcome/welcome.html") }));
  }
});

browser.alarms.onAlarm.addListener((alarm) => {
  if (outbox.isOurs(alarm)) inBackground(outbox.send());
});

// In Firefox, consent can be taken back outside our pages too.
browser.permissions.onRemoved.addListener((removed) => {
  const kinds = /** @type {{data_collection?: string[]}} */ (removed).data_collection ?? [];
  if (kinds.includes("websiteContent")) inBackground(change({ drafts: false }));
  if (kinds.includes("websiteActivity")) inBackground(change({ counts: false }));
});

browser.tabs.onRemoved.addListener((tab) => inBackground(drafts.leave(tab)));

// Being heard is enough: the browser starts the worker for it, and the worker begins, below.
browser.runtime.onStartup.addListener(() => {});

/**
 * A worker that starts, for whatever reason, first sees to what its predecessor left, alarms included. The
 * first one of a browser's session waits for no back-off: all may be different since yesterday.
 */
async function begin() {
  const { begun } = await browser.storage.session.get("begun");
  await browser.storage.session.set({ begun: true });
  await (begun ? outbox.send() : outbox.sendNow());
}
inBackground(begin());
