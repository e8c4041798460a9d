/** The service's address and key: tried out, and used only with the browser's leave to reach it. */

import { messageOf } from "../background/faults.js";
import { address } from "../background/settings.js";
import { browser, words } from "../browser.js";
import { leaveFor, news, part } from "../own-pages.js";
import { say } from "../say.js";

const server = part("server", HTMLInputElement);
const key = part("key", HTMLInputElement);
const buttons = [part("use", HTMLButtonElement), part("test", HTMLButtonElement)];
let saved = { server: "", api_key: "" };

/** @param {import("../messages.js").Status} status */
export function show({ settings }) {
  if (settings.server === saved.server && settings.api_key === saved.api_key) return;
  saved = { server: settings.server, api_key: settings.api_key };
  server.value = saved.server;
  key.value = saved.api_key;
}

/**
 * Runs `work` with what was typed in, if the address makes sense and the browser gives leave to reach it. Must
 * begin in the writer's own click.
 *
 * @param {(typed: {server: string, api_key: string}) => Promise<void>} work
 */
async function withLeave(work) {
  for (const button of buttons) button.disabled = true;
  try {
    const typed = { server: address(server.value), api_key: key.value.trim() };
    if (await browser.permissions.request(leaveFor(typed.server))) await work(typed);
    else news("service-news", words("optionsServerRefused"), "bad");
  } catch (error) {
    news("service-news", messageOf(error), "bad");
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** @param {{server: string, api_key: string}} typed */
async function test(typed) {
  news("service-news", words("optionsTesting"));
  const { service, message, model, database } = await say("test", typed);
  if (service === "ready") {
    news("service-news", words(database === "away" ? "optionsTestedAway" : "optionsTested", model), "good");
  } else {
    news("service-news", message, "bad");
  }
}

/** @param {{server: string, api_key: string}} typed */
async function use(typed) {
  const before = saved.server;
  await say("change", { changes: typed });
  news("service-news", words(typed.server === before ? "optionsSaved" : "optionsServerNew"), "good");
  // Leave to reach a server that is no longer used is given back; the own machine's is the extension's for good.
  const { origins } = leaveFor(before);
  const needed = [...leaveFor(typed.server).origins, ...(browser.runtime.getManifest().host_permissions ?? [])];
  if (!origins.every((origin) => needed.includes(origin))) await browser.permissions.remove({ origins });
}

server.addEventListener("change", () => {
  // A key belongs to its server: it is not sent to another one by oversight.
  if (server.value !== saved.server && key.value === saved.api_key) key.value = "";
});
part("service-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void withLeave(use);
});
part("test", HTMLElement).addEventListener("click", () => void withLeave(test));
