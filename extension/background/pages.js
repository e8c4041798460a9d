/** Which of our scripts run on the site's pages, by what the writer agreed to; open pages hear of changes. */

import { browser } from "../browser.js";
import { AGREED } from "../shared/storage-keys.js";
import { inBackground } from "./faults.js";
import * as settings from "./settings.js";

/** @typedef {import("../messages.js").TabMessages} TabMessages */

const SITE = "https://stackoverflow.com/*";
/** Where the manifest itself has the script that waits for the page to write on. */
const WRITING = browser.runtime.getManifest().content_scripts?.[0]?.matches ?? [];

/**
 * With drafts, a script that waits for the page to write on, which a page of the site may become without being
 * loaded; with counts, one that knows a question just posted by its address.
 *
 * @type {Record<"drafts" | "counts", chrome.scripting.RegisteredContentScript & {id: string, js: string[]}>}
 */
const SCRIPTS = {
  drafts: {
    id: "write",
    matches: [SITE],
    excludeMatches: WRITING,
    js: ["content/ask-page-loader.js"],
    runAt: "document_idle",
  },
  counts: {
    id: "arrived",
    matches: ["https://stackoverflow.com/questions/*", "https://stackoverflow.com/staging-ground/*"],
    js: ["content/question-page-loader.js"],
    runAt: "document_start",
  },
};

/** Registers what is agreed to, and nothing else: without a yes, no page but those to write on has a script of ours. */
export function register() {
  return navigator.locks.request("tagalong.pages", async () => {
    const { drafts, counts } = await settings.read();
    const agreed = { drafts, counts };
    if ((await browser.storage.local.get(AGREED))[AGREED] !== drafts) await browser.storage.local.set({ [AGREED]: drafts });
    const present = new Set((await browser.scripting.getRegisteredContentScripts()).map(({ id }) => id));
    for (const consent of /** @type {const} */ (["drafts", "counts"])) {
      const script = SCRIPTS[consent];
      if (agreed[consent] && !present.has(script.id)) await browser.scripting.registerContentScripts([script]);
      if (!agreed[consent] && present.has(script.id)) {
        await browser.scripting.unregisterContentScripts({ ids: [script.id] });
      }
    }
  });
}

/**
 * Tells open pages of the site; a page that was open before the writer said yes gets its script now.
 *
 * @template {keyof TabMessages} K
 * @param {K} type
 * @param {TabMessages[K]["says"]} fields
 */
export async function tell(type, fields) {
  const { drafts } = await settings.read();
  const tabs = await browser.tabs.query({ url: SITE, discarded: false });
  for (const { id } of tabs) {
    if (id === undefined) continue;
    const heard = browser.tabs.sendMessage(id, { type, ...fields });
    inBackground(heard.catch(() => (drafts ? run(id) : undefined)));
  }
}

/** @param {number} tabId */
async function run(tabId) {
  // The tab may be gone, or show an error of the browser.
  await browser.scripting.executeScript({ target: { tabId }, files: SCRIPTS.drafts.js }).catch(() => {});
}
