/** Registers the content scripts that the writer's settings allow, and sends messages to open pages of the site. */

import { browser } from "../shared/browser.js";
import { runInBackground } from "../shared/errors.js";
import { allowsSuggestions } from "../shared/sources.js";
import { SUGGESTIONS_ALLOWED } from "../shared/storage-keys.js";
import { withScriptsLock } from "./lock.js";
import { mayNote, readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").TabMessages} TabMessages */

const SITE = "https://stackoverflow.com/*";
/** Pages on which the manifest itself runs the script that waits for a question's form. */
const MANIFEST_MATCHES = browser.runtime.getManifest().content_scripts?.[0]?.matches ?? [];

/**
 * By what they are for. `writing`: waits for a question's form, as a page of the site may become one without being
 * loaded. `posting`: knows a question just posted by its address.
 *
 * @type {Record<"writing" | "posting", chrome.scripting.RegisteredContentScript & {id: string, js: string[]}>}
 */
const SCRIPTS = {
  writing: {
    id: "write",
    matches: [SITE],
    excludeMatches: MANIFEST_MATCHES,
    js: ["content/ask-page-loader.js"],
    runAt: "document_idle",
  },
  posting: {
    id: "arrived",
    matches: ["https://stackoverflow.com/questions/*", "https://stackoverflow.com/staging-ground/*"],
    js: ["content/question-page-loader.js"],
    runAt: "document_start",
  },
};

/** Register what the settings allow and unregister the rest: without tags, only the manifest's own script runs. */
export function updateContentScripts() {
  return withScriptsLock(async () => {
    const settings = await readSettings();
    const allowed = { writing: allowsSuggestions(settings), posting: mayNote(settings) };
    const hint = await browser.storage.local.get(SUGGESTIONS_ALLOWED);
    if (hint[SUGGESTIONS_ALLOWED] !== allowed.writing) {
      await browser.storage.local.set({ [SUGGESTIONS_ALLOWED]: allowed.writing });
    }
    const registered = new Set((await browser.scripting.getRegisteredContentScripts()).map(({ id }) => id));
    for (const purpose of /** @type {const} */ (["writing", "posting"])) {
      const script = SCRIPTS[purpose];
      if (allowed[purpose] && !registered.has(script.id)) await browser.scripting.registerContentScripts([script]);
      if (!allowed[purpose] && registered.has(script.id)) {
        await browser.scripting.unregisterContentScripts({ ids: [script.id] });
      }
    }
  });
}

/**
 * Send a message to all open pages of the site. A page that was open before tags were allowed gets its script now.
 *
 * @template {keyof TabMessages} K
 * @param {K} type
 * @param {TabMessages[K]["fields"]} fields
 */
export async function broadcast(type, fields) {
  const isAllowed = allowsSuggestions(await readSettings());
  const tabs = await browser.tabs.query({ url: SITE, discarded: false });
  for (const { id } of tabs) {
    if (id === undefined) continue;
    const delivery = browser.tabs.sendMessage(id, { type, ...fields });
    runInBackground(delivery.catch(() => (isAllowed ? runScript(id) : undefined)));
  }
}

/** @param {number} tabId */
async function runScript(tabId) {
  // The tab may be gone, or show an error page of the browser.
  await browser.scripting.executeScript({ target: { tabId }, files: SCRIPTS.writing.js }).catch(() => {});
}
