/** The HTTP client of the service: the only module of the extension that fetches. */

import { UserError } from "../shared/errors.js";
import { getText } from "../shared/i18n.js";
import { buildSuggestionRequest } from "../shared/suggestion-request.js";
import { accountsForEvents, isEmptyBatch, parseHealth, parseSuggestions } from "./api-responses.js";

/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").Health} Health */
/** @typedef {import("../shared/protocol.js").Settings} Settings */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */

const CHECK_TIMEOUT_MS = 5_000;
const TIMEOUT_MS = 15_000;
const MAX_RESPONSE_BYTES = 256 * 1024;
/** An export has all that the service stores about an install. */
const MAX_EXPORT_BYTES = 64 * 1024 * 1024;

/** A model for devices has some 20 MB, and may come slowly. */
const MAX_MODEL_BYTES = 64 * 1024 * 1024;
const MODEL_TIMEOUT_MS = 5 * 60_000;

/** The service did not do what it was asked; `message` is for people. */
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
 * Return the service's tags for one state of a draft.
 *
 * @param {Settings} settings
 * @param {string} draftId
 * @param {Draft} draft
 * @param {AbortSignal} signal  aborts when tags for a newer state of the draft are requested
 * @param {number} timeoutMs
 * @returns {Promise<{suggestion_id: string | null, items: SuggestedTag[], siteKnown: boolean}>} siteKnown: the model
 *   knows the site
 */
export async function fetchSuggestions(settings, draftId, draft, signal, timeoutMs) {
  const response = await request(settings, "POST", "/api/v1/suggestions", {
    timeoutMs,
    signal,
    body: buildSuggestionRequest(settings, draftId, draft),
  });
  return parseSuggestions(response) ?? throwNonsense();
}

/**
 * Send a batch of events; return once the service has answered for every one: new, known already, or refused for good.
 *
 * @param {Settings} settings
 * @param {{id: string, occurred_at: string}[]} events
 * @returns {Promise<void>}
 */
export async function sendEvents(settings, events) {
  const sent_at = new Date().toISOString();
  const response = await request(settings, "POST", "/api/v1/events", {
    body: { install_id: settings.install_id, sent_at, events: events.map((event) => withValidDate(event, sent_at)) },
  });
  if (!accountsForEvents(response, events)) throwNonsense();
}

/**
 * Return the event, dated as sent if the machine's clock was reset or a lifetime ahead when it happened: the service
 * refuses such dates, and the event would be lost.
 *
 * @param {{occurred_at: string}} event
 * @param {string} sent_at
 */
function withValidDate(event, sent_at) {
  const year = new Date(event.occurred_at).getUTCFullYear();
  return year >= 2000 && year < 2100 ? event : { ...event, occurred_at: sent_at };
}

/**
 * Return the state of the service.
 *
 * @param {Settings} settings
 * @returns {Promise<{model: string, database: Health["database"]}>}
 * @throws {ServiceError} if it cannot suggest tags
 */
export async function fetchHealth(settings) {
  const response = await request(settings, "GET", "/health/ready", { timeoutMs: CHECK_TIMEOUT_MS });
  return parseHealth(response) ?? throwNonsense();
}

/**
 * Check that the service accepts the API key, without sending anything of the writer.
 *
 * @param {Settings} settings
 * @throws {ServiceError} if it does not
 */
export async function checkApiKey(settings) {
  const options = { timeoutMs: CHECK_TIMEOUT_MS, body: { drafts: [] } };
  if (!isEmptyBatch(await request(settings, "POST", "/api/v1/suggestions/batch", options))) throwNonsense();
}

/**
 * Return the model that the service has for devices, or that it has one of those that are here.
 *
 * @param {Settings} settings
 * @param {string[]} etags  of the models that are here
 * @returns {Promise<{etag: string, file: ArrayBuffer | null}>} file: null if it is the one of this ETag
 */
export async function fetchDeviceModel(settings, etags) {
  const options = { timeoutMs: MODEL_TIMEOUT_MS, headers: { "If-None-Match": etags.join(", ") } };
  return exchange(settings, "GET", "/api/v1/models/device", options, async (response) => {
    const etag = response.headers.get("ETag") ?? "";
    if (response.status === 304) return { etag, file: null };
    if (!response.ok) throw statusError(response);
    return { etag, file: (await readBytes(response, MAX_MODEL_BYTES)).buffer };
  });
}

/** Return everything that the service stores about this install. @param {Settings} settings */
export const exportInstall = (settings) =>
  request(settings, "GET", installPath(settings), { maxBytes: MAX_EXPORT_BYTES });

/** Erase this install at the service; one that it does not know counts as erased. @param {Settings} settings */
export async function eraseInstall(settings) {
  try {
    await request(settings, "DELETE", installPath(settings));
  } catch (error) {
    if (!(error instanceof ServiceError) || error.status !== 404) throw error;
  }
}

/** @param {Settings} settings */
const installPath = (settings) => `/api/v1/installs/${settings.install_id}`;

/**
 * @typedef {object} RequestOptions
 * @property {object} [body]
 * @property {Record<string, string>} [headers]
 * @property {number} [timeoutMs]
 * @property {number} [maxBytes]  of the response
 * @property {AbortSignal} [signal]
 */

/**
 * @param {Settings} settings
 * @param {string} method
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<any>} the response's JSON; null where it has none
 */
const request = (settings, method, path, options = {}) =>
  exchange(settings, method, path, options, async (response) => {
    const text = new TextDecoder().decode(await readBytes(response, options.maxBytes ?? MAX_RESPONSE_BYTES));
    if (!response.ok) throw statusError(response);
    return text === "" ? null : JSON.parse(text);
  });

/**
 * Send a request, and return what `read` makes of the response.
 *
 * @template T
 * @param {Settings} settings
 * @param {string} method
 * @param {string} path
 * @param {RequestOptions} options
 * @param {(response: Response) => Promise<T>} read
 * @returns {Promise<T>}
 */
async function exchange(settings, method, path, { body, headers, timeoutMs = TIMEOUT_MS, signal }, read) {
  // No service has such a key, and fetch would refuse to send it.
  if (!/^[ -~]*$/.test(settings.api_key)) throw new ServiceError(getText("serviceKey"), 401);
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(settings.server + path, {
      method,
      headers: {
        ...headers,
        ...(body && { "Content-Type": "application/json" }),
        ...(settings.api_key && { Authorization: `Bearer ${settings.api_key}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    return await read(response);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof ServiceError) throw error;
    if (error instanceof SyntaxError) throwNonsense();
    throw new ServiceError(getText(timeout.aborted ? "serviceSlow" : "serviceUnreachable", settings.server));
  }
}

/**
 * Return a response's bytes; stop reading and throw where there are too many.
 *
 * @param {Response} response
 * @param {number} maxBytes
 */
async function readBytes(response, maxBytes) {
  /** @type {Uint8Array[]} */
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throwNonsense();
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** @returns {never} */
function throwNonsense() {
  throw new ServiceError(getText("serviceNonsense"));
}

/**
 * Return the error for a status; its text is ours, as the service explains itself in English only.
 *
 * @param {Response} response
 */
function statusError({ status, headers }) {
  if (status === 401) return new ServiceError(getText("serviceKey"), status);
  const kind = problemKind(status);
  const message = kind ? getText(`serviceProblem_${kind}`, status) : getText("serviceStatus", status);
  return new ServiceError(message, status, parseRetryAfter(headers.get("Retry-After")));
}

/** @param {number} status */
function problemKind(status) {
  if (status === 429 || status === 503) return "busy";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status >= 500) return "failed";
  return status >= 400 ? "request" : "";
}

/**
 * @param {string | null} header  seconds or an HTTP date (RFC 9110, 10.2.3)
 * @returns {number | null} ms from now
 */
function parseRetryAfter(header) {
  if (!header) return null;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : null;
}
