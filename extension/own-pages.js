/** What the extension's own pages share: their sentences and figures, their lines of news, the consents. */

import { CHANGES } from "./background/storage.js";
import { browser, words } from "./browser.js";
import { say } from "./say.js";

/** @typedef {import("./messages.js").Settings} Settings */

/** The language of the sentences: the browser's, where there are sentences in it. */
const LANGUAGE = words("language");

/** Fills every `data-words` element with its sentence, and the document with its language. */
export function localise() {
  document.documentElement.lang = LANGUAGE;
  document.documentElement.dir = words("direction");
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words(/** @type {HTMLElement} */ (element).dataset["words"] ?? "");
  }
}

/**
 * An element that the page is known to have.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function part(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`no ${type.name} #${id} on this page`);
  return element;
}

/**
 * Shows the page once it knows how things are: no switch is seen in a state that it is not in.
 *
 * @param {Promise<void>} known
 */
export async function openWhen(known) {
  try {
    await known;
  } finally {
    part("main", HTMLElement).hidden = false;
  }
}

/**
 * Says what came of the writer's last action, in a line of its own, wherever on the page the writer is.
 *
 * @param {string} id  of the line
 * @param {string} text
 * @param {"good" | "bad" | ""} [mood]
 */
export function news(id, text, mood = "") {
  const line = part(id, HTMLElement);
  line.textContent = text;
  line.className = mood;
  line.scrollIntoView({ block: "nearest" });
}

/** Calls `listener` whenever something that is kept has changed. @param {() => void} listener */
export function onChange(listener) {
  new BroadcastChannel(CHANGES).addEventListener("message", listener);
}

/**
 * Says that the consents are kept; a yes brings no tags where no service answers.
 *
 * @param {string} id  of the line
 * @param {Settings} kept
 * @param {{yes: string, no: string}} keys  of the sentences where all is well
 * @returns {Promise<boolean>} whether a service is missing
 */
export async function sayKept(id, { drafts }, { yes, no }) {
  if (drafts) news(id, words("optionsSaved"));
  const { service, message } = await say("check", {});
  const missing = service === "away";
  if (missing) news(id, words("welcomeAway", message), "bad");
  else news(id, words(drafts ? yes : no), "good");
  return missing;
}

/** @param {number} count */
export const number = (count) => new Intl.NumberFormat(LANGUAGE).format(count);

/** @param {number} count @param {number} of  not 0 */
export const percent = (count, of) => new Intl.NumberFormat(LANGUAGE, { style: "percent" }).format(count / of);

/** The time of day. @param {number} when  ms since the epoch */
export const clock = (when) => new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" }).format(when);

/** The permission to reach a server. Match patterns name no port. @param {string} server */
export function leaveFor(server) {
  const { protocol, hostname } = new URL(server);
  return { origins: [`${protocol}//${hostname}/*`] };
}

/** Kinds of data by consent, as Firefox names them: it keeps a yes of its own for each. Chromium knows none. */
const KINDS = { drafts: ["websiteContent"], counts: ["websiteActivity", "technicalAndInteraction"] };
const firefoxAsks = "data_collection" in (await browser.permissions.getAll());

/** @param {string[]} kinds */
const ofData = (kinds) => /** @type {chrome.permissions.Permissions} */ ({ data_collection: kinds });

/**
 * Keeps the two consents. To be called from the writer's own click: Firefox asks for its consent then.
 *
 * @param {boolean} drafts
 * @param {boolean} counts
 * @returns {Promise<Settings | null>} null if the writer took the yes back at Firefox's question
 */
export async function consent(drafts, counts) {
  const wanted = drafts ? [...KINDS.drafts, ...(counts ? KINDS.counts : [])] : [];
  const unwanted = [...KINDS.drafts, ...KINDS.counts].filter((kind) => !wanted.includes(kind));
  if (firefoxAsks) {
    // Not awaited before the question: that must be asked while the click lasts.
    const answer = wanted.length === 0 || browser.permissions.request(ofData(wanted)).catch(() => false);
    if (unwanted.length > 0) await browser.permissions.remove(ofData(unwanted));
    if (!(await answer)) return null;
  }
  return say("change", { changes: { drafts, counts } });
}
