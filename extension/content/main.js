/** The content script of a page to write a question on: finds the form, and shows chips while they are wanted. */

import { browser } from "../browser.js";
import { say } from "../say.js";
import { findPage, generationOf } from "./pages/index.js";

/** @typedef {import("./pages/contract.js").Page} Page */

const LOOK_AGAIN_MS = 200;

/** @type {{page: Page, unmount: () => void, focus: () => void} | null} */
let mounted = null;
/** @type {{debounceMs: number, never: string[]} | null} how chips are wanted; null: not at all */
let wanted = null;

let address = location.pathname;

/** Shows chips where there is a page and they are wanted; takes them away where not. Safe to repeat. */
async function look() {
  if (address !== location.pathname) {
    // A page of scripts may go on to the question without loading it.
    address = location.pathname;
    void import("./arrival.js").then(({ tellArrival }) => tellArrival());
  }
  if (mounted && (!wanted || mounted.page.parts.some((part) => !part.isConnected))) {
    mounted.unmount();
    mounted = null;
  }
  if (mounted || !wanted || generationOf(document) === null) return;
  // A page that is not known loads nothing more.
  const [page, { mount }] = await Promise.all([findPage(document), import("./mount.js")]);
  if (page && wanted && !mounted) mounted = { page, ...mount(page, wanted) };
}

async function learn() {
  const { on, debounce_ms, never } = await say("hello", {});
  // What is mounted belongs to the settings, and the install, of before.
  wanted = null;
  void look();
  wanted = on ? { debounceMs: debounce_ms, never } : null;
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

browser.runtime.onMessage.addListener((message, _, reply) => {
  if (message?.type === "describe") {
    reply({ site: location.hostname.replace(/^www\./, ""), page: generationOf(document) });
  } else if (message?.type === "focus") {
    mounted?.focus();
    reply(null);
  }
});

browser.storage.local.onChanged.addListener(({ settings }) => {
  // The list of tags never to show is followed by what is mounted.
  const others = (/** @type {any} */ value) =>
    JSON.stringify(Object.entries(value ?? {}).filter(([key]) => key !== "never").sort());
  if (settings && others(settings.oldValue) !== others(settings.newValue)) void learn();
});
// Come back to as it was left, the page may hold what has been posted or switched off meanwhile.
addEventListener("pageshow", ({ persisted }) => persisted && void learn());
void learn();
