/** Talks to the service: the only place of the extension that fetches. */

import { browser, words } from "../browser.js";
import { accountsFor, isEmptyBatch, readHealth, readSuggestions } from "./answers.js";
import { UserError } from "./faults.js";

/** @typedef {import("../messages.js").Settings} Settings */
/** @typedef {import("../messages.js").Draft} Draft */
/** @typedef {import("../messages.js").Offer} Offer */
/** @typedef {import("../messages.js").Health} Health */

const SUGGEST_TIMEOUT_MS = 5_000;
const TIMEOUT_MS = 15_000;
const LARGEST_ANSWER = 256 * 1024;
/** All that the service holds of an install, as the writer asked for it. */
const LARGEST_EXPORT = 64 * 1024 * 1024;

/** The service did not do what was asked; `message` is for people. */
export class ServiceError extends UserError {
  /**
   * @param {string} message
   * @param {number} status  HTTP status; 0 where there was no answer, or none that makes sense
   * @param {number | null} retryAfterMs  how long the service asked to be left alone
   */
  constructor(message, status = 0, retryAfterMs = null) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * What is sent to the service for one state of a draft, just as it is sent. The version is a fact about the
 * writer's machine, and goes with the second consent.
 *
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 */
export const suggestionRequest = (settings, draftId, draft) => ({
  draft_id: draftId,
  install_id: settings.install_id,
  ...(settings.counts && { extension_version: browser.runtime.getManifest().version }),
  ...draft,
  record: settings.counts,
});

/**
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 * @param {AbortSignal} signal  aborts when a newer state of the draft is asked for
 * @returns {Promise<{suggestion_id: string | null, items: Offer[], known: boolean}>}  known: the model knows the site
 */
export async function suggest(settings, draftId, draft, signal) {
  const answer = await call(settings, "POST", "/api/v1/suggestions", {
    timeout: SUGGEST_TIMEOUT_MS,
    signal,
    body: suggestionRequest(settings, draftId, draft),
  });
  return readSuggestions(answer) ?? fail(words("serviceNonsense"));
}

/**
 * @param {Settings} settings
 * @param {{id: string, occurred_at: string}[]} events
 * @returns {Promise<void>} when the service has answered for every one: new, known already, or refused for good
 */
export async function sendEvents(settings, events) {
  const sent_at = new Date().toISOString();
  const answer = await call(settings, "POST", "/api/v1/events", {
    body: { install_id: settings.install_id, sent_at, events: events.map((event) => dated(event, sent_at)) },
  });
  if (!accountsFor(answer, events)) fail(words("serviceNonsense"));
}

/**
 * An event that happened while the machine's clock stood at its beginning, or a lifetime ahead, is dated as
 * sent: the service refuses such moments, and the event would be lost for its date.
 *
 * @param {{occurred_at: string}} event
 * @param {string} sent_at
 */
function dated(event, sent_at) {
  const year = new Date(event.occurred_at).getUTCFullYear();
  return year >= 2000 && year < 2100 ? event : { ...event, occurred_at: sent_at };
}

/**
 * How the service is; throws ServiceError where it cannot answer drafts.
 *
 * @param {Settings} settings
 * @returns {Promise<{model: string, database: Health["database"]}>}
 */
export async function ready(settings) {
  const answer = await call(settings, "GET", "/health/ready", { timeout: SUGGEST_TIMEOUT_MS });
  return readHealth(answer) ?? fail(words("serviceNonsense"));
}

/** Whether the service takes the key; throws ServiceError if not. Sends nothing of the writer. @param {Settings} settings */
export async function tryKey(settings) {
  const options = { timeout: SUGGEST_TIMEOUT_MS, body: { drafts: [] } };
  if (!isEmptyBatch(await call(settings, "POST", "/api/v1/suggestions/batch", options))) fail(words("serviceNonsense"));
}

/** Everything the service holds of this install. @param {Settings} settings */
export const exportInstall = (settings) =>
  call(settings, "GET", installPath(settings), { largest: LARGEST_EXPORT });

/** Makes the service forget this install; one it never knew is forgotten already. @param {Settings} settings */
export async function eraseInstall(settings) {
  try {
    await call(settings, "DELETE", installPath(settings));
  } catch (error) {
    if (!(error instanceof ServiceError) || error.status !== 404) throw error;
  }
}

/** @param {Settings} settings */
const installPath = (settings) => `/api/v1/installs/${settings.install_id}`;

/**
 * @param {Settings} settings
 * @param {string} method
 * @param {string} path
 * @param {{body?: object, timeout?: number, largest?: number, signal?: AbortSignal}} options
 * @returns {Promise<any>} the answer's JSON; null where it has none
 */
async function call(settings, method, path, { body, timeout = TIMEOUT_MS, largest = LARGEST_ANSWER, signal } = {}) {
  // A service has no such key, and fetch would refuse to send it.
  if (!/^[ -~]*$/.test(settings.api_key)) throw new ServiceError(words("serviceKey"), 401);
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(settings.server + path, {
      method,
      headers: {
        ...(body && { "Content-Type": "application/json" }),
        ...(settings.api_key && { Authorization: `Bearer ${settings.api_key}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    const text = await textOf(response, largest);
    if (!response.ok) throw problem(response);
    return text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof ServiceError) throw error;
    if (error instanceof SyntaxError) throw new ServiceError(words("serviceNonsense"));
    throw new ServiceError(words(limit.aborted ? "serviceSlow" : "serviceUnreachable", settings.server));
  }
}

/**
 * The text of an answer; an endless one is not read to its end.
 *
 * @param {Response} response
 * @param {number} largest  bytes
 */
async function textOf(response, largest) {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > largest) fail(words("serviceNonsense"));
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** @param {string} message @returns {never} */
function fail(message) {
  throw new ServiceError(message);
}

/**
 * What to tell people of a refusal, by its kind: the service explains itself in English.
 *
 * @param {Response} response
 */
function problem({ status, headers }) {
  if (status === 401) return new ServiceError(words("serviceKey"), status);
  const kind = kindOf(status);
  const message = kind ? words(`serviceProblem_${kind}`, status) : words("serviceStatus", status);
  return new ServiceError(message, status, retryAfterMs(headers.get("Retry-After")));
}

/** @param {number} status */
function kindOf(status) {
  if (status === 429 || status === 503) return "busy";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status >= 500) return "failed";
  return status >= 400 ? "request" : "";
}

/**
 * @param {string | null} header  seconds or an HTTP date (RFC 9110, 10.2.3)
 * @returns {number | null}
 */
function retryAfterMs(header) {
  if (!header) return null;
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}
