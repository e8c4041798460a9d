/** What the service is sent for a draft: by the background, and as an example on the welcome page. */

import { browser } from "./browser.js";

/** @typedef {import("./protocol.js").Draft} Draft */
/** @typedef {import("./protocol.js").Settings} Settings */

/**
 * Return the body of `POST /api/v1/suggestions` for one state of a draft. The extension's version tells something
 * about the writer's machine, so it goes along with the second consent only.
 *
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 */
export const buildSuggestionRequest = (settings, draftId, draft) => ({
  draft_id: draftId,
  install_id: settings.install_id,
  ...(settings.counts && { extension_version: browser.runtime.getManifest().version }),
  ...draft,
  record: settings.counts,
});
