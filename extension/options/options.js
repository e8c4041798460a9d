/** The options: consents, the service, how it is written with, the writer's data. One module a section. */

import { browser } from "../browser.js";
import { localise, onChange, openWhen, part } from "../own-pages.js";
import { say } from "../say.js";
import * as consents from "./consents.js";
import * as data from "./data.js";
import * as never from "./never.js";
import * as service from "./service.js";
import * as writing from "./writing.js";

async function show() {
  const status = await say("status", {});
  for (const section of [consents, service, writing, never, data]) section.show(status);
}

localise();
part("version", HTMLElement).textContent = browser.runtime.getManifest().version;
onChange(() => void show());
await openWhen(show());
