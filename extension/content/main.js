/** The content script of a page to ask on: finds the form, and shows chips while the writer wants them. */

import { browser } from "../browser.js";
import { say } from "../say.js";
import { mount } from "./mount.js";
import { findPage } from "./pages/index.js";

const LOOK_AGAIN_MS = 200;

/** @type {{root: Element, unmount: () => void} | null} */
let mounted = null;
let wanted = false;
let debounceMs = 0;

/** Shows chips where there is a page and they are wanted; takes them away where not. Safe to repeat. */
function look() {
  if (mounted && (!wanted || !mounted.root.isConnected)) {
    mounted.unmount();
    mounted = null;
  }
  if (mounted || !wanted) return;
  const page = findPage(document);
  if (page) mounted = { root: page.root, unmount: mount(page, debounceMs) };
}

async function learn() {
  const { on, debounce_ms } = await say("hello", {});
  // What is mounted belongs to the settings, and the install, of before.
  wanted = false;
  look();
  [wanted, debounceMs] = [on, debounce_ms];
  look();
}

// What an earlier version left behind when it was updated under the page's feet.
document.querySelector("[data-tagalong]")?.remove();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
new MutationObserver(() => {
  timer ??= setTimeout(() => {
    timer = undefined;
    look();
  }, LOOK_AGAIN_MS);
}).observe(document.documentElement, { childList: true, subtree: true });

browser.storage.local.onChanged.addListener((changes) => {
  if ("settings" in changes) void learn();
});
void learn();
