/** The running requests for tags, by tab: at most two at once, and none for a state older than one answered. */

/** Per tab: our content script sends no more at once, and no other script may keep the service busy. */
const MAX_CONCURRENT = 2;

/**
 * Running requests by tab, oldest first. Each dies with its fetch, so they are kept in the worker's memory only.
 *
 * @type {Map<number, AbortController[]>}
 */
const running = new Map();

/** @param {number} tab */
const runningRequests = (tab) => running.get(tab) ?? [];

/** @param {number} tab @returns {AbortController} */
export function startRequest(tab) {
  const request = new AbortController();
  const requests = [...runningRequests(tab), request];
  for (const old of requests.slice(0, -MAX_CONCURRENT)) old.abort();
  running.set(tab, requests.slice(-MAX_CONCURRENT));
  return request;
}

/** @param {number} tab @param {AbortController} request */
export function endRequest(tab, request) {
  const others = runningRequests(tab).filter((other) => other !== request);
  if (others.length > 0) running.set(tab, others);
  else running.delete(tab);
}

/**
 * Abort requests for older states of the draft, as a newer one was answered.
 *
 * @param {number} tab
 * @param {AbortController} request
 */
export function abortOlderRequests(tab, request) {
  const requests = runningRequests(tab);
  for (const old of requests.slice(0, requests.indexOf(request))) old.abort();
}

/** Abort every running request. */
export function abortAllRequests() {
  for (const request of [...running.values()].flat()) request.abort();
}
