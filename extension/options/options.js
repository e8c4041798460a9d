/** The options page, one module a section. */

import { browser } from "../shared/browser.js";
import { getElement, localizePage, onStorageChange, showPageWhen } from "../shared/extension-page.js";
import { sendMessage } from "../shared/messaging.js";
import * as blockedTags from "./blocked-tags.js";
import * as consents from "./consents.js";
import * as data from "./data.js";
import * as service from "./service.js";
import * as source from "./source.js";
import * as writing from "./writing.js";

async function show() {
  const status = await sendMessage("getStatus", {});
  for (const section of [source, consents, service, writing, blockedTags, data]) section.show(status);
}

localizePage();
getElement("version", HTMLElement).textContent = browser.runtime.getManifest().version;
onStorageChange(() => void show());
await showPageWhen(show());
