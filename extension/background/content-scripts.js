/** Registers the content scripts that the writer's consents allow, and sends messages to open pages of the site. */

import { browser } from "../shared/browser.js";
import { runInBackground } from "../shared/errors.js";
import { DRAFTS_ALLOWED } from "../shared/storage-keys.js";
import { withScriptsLock } from "./lock.js";
import { readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").TabMessages} TabMessages */

const SITE = "https://stackoverflow.com/*";
/** Pages on which the manifest itself runs the script that waits for a question's form. */
const MANIFEST_MATCHES = browser.runtime.getManifest().content_scripts?.[0]?.matches ?? [];

/**
 * By consent. `drafts`: waits for a question's form, as a page of the site may become one without being loaded.
 * `counts`: knows a question just posted by its address.
 *
 * @type {Record<"drafts" | "counts", chrome.scripting.RegisteredContentScript & {id: string, js: string[]}>}
 */
const SCRIPTS = {
  drafts: {
    id: "write",
    matches: [SITE],
    excludeMatches: MANIFEST_MATCHES,
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

/** Register what the consents allow and unregister the rest: without one, only the manifest's own script runs. */
export function updateContentScripts() {
  return withScriptsLock(async () => {
    const { drafts, counts } = await readSettings();
    const allowed = { drafts, counts };
    const hint = await browser.storage.local.get(DRAFTS_ALLOWED);
    if (hint[DRAFTS_ALLOWED] !== drafts) await browser.storage.local.set({ [DRAFTS_ALLOWED]: drafts });
    const registered = new Set((await browser.scripting.getRegisteredContentScripts()).map(({ id }) => id));
    for (const consent of /** @type {const} */ (["drafts", "counts"])) {
      const script = SCRIPTS[consent];
      if (allowed[consent] && !registered.has(script.id)) await browser.scripting.registerContentScripts([script]);
      if (!allowed[consent] && registered.has(script.id)) {
        await browser.scripting.unregisterContentScripts({ ids: [script.id] });
      }
    }
  });
}

/**
 * Send a message to all open pages of the site. A page that was open before the writer consented gets its script now.
 *
 * @template {keyof TabMessages} K
 * @param {K} type
 * @param {TabMessages[K]["fields"]} fields
 */
export async function broadcast(type, fields) {
  const { drafts } = await readSettings();
  const tabs = await browser.tabs.query({ url: SITE, discarded: false });
  for (const { id } of tabs) {
    if (id === undefined) continue;
    const delivery = browser.tabs.sendMessage(id, { type, ...fields });
    runInBackground(delivery.catch(() => (drafts ? runScript(id) : undefined)));
  }
}

/** @param {number} tabId */
async function runScript(tabId) {
  // The tab may be gone, or show an error page of the browser.
  await browser.scripting.executeScript({ target: { tabId }, files: SCRIPTS.drafts.js }).catch(() => {});
}
