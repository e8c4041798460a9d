/** The content script of a page to write a question on: finds the form, and shows chips while they are wanted. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { getSite } from "../shared/site.js";
import { findPage, getGeneration } from "./pages/index.js";

/** @typedef {import("./posted-question.js").AddressChange} AddressChange */

const UPDATE_MS = 200;

/** @type {import("./controller.js").Controller | null} */
let controller = null;
/** @type {import("./controller.js").ChipSettings | null} null where no chips are wanted */
let settings = null;
/** Whether a question can be written at the address: a page of scripts may change it without being loaded. */
let isAskPage = false;

/**
 * The page was loaded, or its address has changed.
 *
 * @param {boolean} isAskAddress  whether a question can be written at the address
 * @param {string} path
 * @param {Event} [change]
 */
export async function onAddress(isAskAddress, path, change) {
  const [entered, left] = [isAskAddress && !isAskPage, !isAskAddress && isAskPage];
  isAskPage = isAskAddress;
  void update();
  if (entered) await loadSettings(true);
  if (left) await (await import("./posted-question.js")).onLeave(path, /** @type {AddressChange} */ (change));
}

/** Show chips where there is a form and they are wanted, and remove them elsewhere. May be called at any time. */
async function update() {
  const isWhole = controller?.page.parts.every((part) => part.isConnected);
  if (controller && !(isAskPage && settings && isWhole)) {
    controller.unmount();
    controller = null;
  }
  if (controller || !isAskPage || !settings || getGeneration(document) === null) return;
  // A page that is not known loads nothing more.
  const [page, { Controller }] = await Promise.all([findPage(document), import("./controller.js")]);
  if (page && isAskPage && settings && !controller) controller = new Controller(page, settings);
}

/** @param {boolean} [entered]  the page has just been opened: what the tab submitted before was not posted */
async function loadSettings(entered = false) {
  const { on, debounce_ms, blocked_tags } = await sendMessage("getPageSettings", { entered });
  // The chips that are shown belong to the settings, and the install, of before.
  settings = null;
  void update();
  settings = on ? { debounceMs: debounce_ms, blockedTags: blocked_tags } : null;
  void update();
}

// What an earlier version left behind when it was updated while the page was open.
document.querySelector("[data-tagalong]")?.remove();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
new MutationObserver(() => {
  timer ??= setTimeout(() => {
    timer = undefined;
    void update();
  }, UPDATE_MS);
  // When a step of the wizard is unlocked, only its class changes.
}).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["class"] });

/** @type {{[K in keyof import("../shared/protocol.js").TabMessages]: (fields: any) => unknown}} */
const listeners = {
  getTabState: () => (isAskPage ? { site: getSite(location), page: getGeneration(document) } : null),
  focusChips: () => controller?.focus(),
  settingsChanged: () => void loadSettings(),
  blockedTagsChanged({ blocked_tags }) {
    if (settings) settings = { ...settings, blockedTags: blocked_tags };
    controller?.setBlockedTags(blocked_tags);
  },
};
browser.runtime.onMessage.addListener((message, _, reply) => {
  if (!Object.hasOwn(listeners, message?.type)) return;
  reply(listeners[/** @type {keyof typeof listeners} */ (message.type)](message) ?? null);
});

// Restored as it was left, the page may show what has been posted or switched off meanwhile.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted || !isAskPage) return;
  void import("./posted-question.js").then(({ forgetSubmission }) => forgetSubmission());
  void loadSettings(true);
});
