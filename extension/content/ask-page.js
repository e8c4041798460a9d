/** The content script of a page to write a question on: finds the form, and shows chips while they are wanted. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { getSite } from "../shared/site.js";
import { findPage, generationOf } from "./pages/index.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {ReturnType<typeof import("./controller.js").mount>} Mounted */
/** @typedef {Event & {navigationType: string | null, from: {url: string | null}}} AddressChange */

const LOOK_AGAIN_MS = 200;

/** @type {{page: Page} & Mounted | null} */
let mounted = null;
/** @type {{debounceMs: number, never: string[]} | null} how chips are wanted; null: not at all */
let wanted = null;
/** Whether the address is one to write on: a page of scripts may change it without being loaded. */
let writing = false;

/**
 * The page was loaded, or its address has changed.
 *
 * @param {boolean} writes  whether a question can be written at the address
 * @param {string} path
 * @param {Event} [change]
 */
export async function follow(writes, path, change) {
  const [entered, left] = [writes && !writing, !writes && writing];
  writing = writes;
  void look();
  if (entered) await learn(true);
  if (left) await leave(path, /** @type {AddressChange} */ (change));
}

/**
 * The address is another one: that of the question, if the page posted it, and the history was not gone through.
 *
 * @param {string} path
 * @param {AddressChange} change
 */
async function leave(path, { navigationType, from }) {
  const [posting, { isQuestion, tellArrival }] = await Promise.all([import("./posted-question.js"), import("./question-page.js")]);
  if (!posting.isPending()) return;
  if (navigationType === "traverse" || !isQuestion(path)) return posting.withdraw();
  posting.forget();
  await tellArrival(path, new URL(from.url ?? "", location.href).pathname);
}

/** Shows chips where there is a page and they are wanted; takes them away where not. Safe to repeat. */
async function look() {
  const stands = mounted?.page.parts.every((part) => part.isConnected);
  if (mounted && !(writing && wanted && stands)) {
    mounted.unmount();
    mounted = null;
  }
  if (mounted || !writing || !wanted || generationOf(document) === null) return;
  // A page that is not known loads nothing more.
  const [page, { mount }] = await Promise.all([findPage(document), import("./controller.js")]);
  if (page && writing && wanted && !mounted) mounted = { page, ...mount(page, wanted) };
}

/** @param {boolean} [entered]  the page was come to: what the tab submitted before did not become a question */
async function learn(entered = false) {
  const { on, debounce_ms, blocked_tags } = await sendMessage("getPageSettings", { entered });
  // What is mounted belongs to the settings, and the install, of before.
  wanted = null;
  void look();
  wanted = on ? { debounceMs: debounce_ms, never: blocked_tags } : null;
  void look();
}

// What an earlier version left behind when it was updated under the page's feet.
document.querySelector("[data-tagalong]")?.remove();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
new MutationObserver(() => {
  timer ??= setTimeout(() => {
    timer = undefined;
    void look();
  }, LOOK_AGAIN_MS);
  // A step that is unlocked changes nothing but its class.
}).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["class"] });

/** @type {{[K in keyof import("../shared/protocol.js").TabMessages]: (said: any) => unknown}} */
const listeners = {
  getTabState: () => (writing ? { site: getSite(location), page: generationOf(document) } : null),
  focusChips: () => mounted?.focus(),
  settingsChanged: () => void learn(),
  blockedTagsChanged({ blocked_tags }) {
    if (wanted) wanted = { ...wanted, never: blocked_tags };
    mounted?.setNever(blocked_tags);
  },
};
browser.runtime.onMessage.addListener((message, _, reply) => {
  if (!Object.hasOwn(listeners, message?.type)) return;
  reply(listeners[/** @type {keyof typeof listeners} */ (message.type)](message) ?? null);
});

// Come back to as it was left, the page may hold what has been posted or switched off meanwhile.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted || !writing) return;
  void import("./posted-question.js").then(({ forget }) => forget());
  void learn(true);
});
