/** Watches the draft: asks for tags at each pause in the typing, and drops answers that come after a newer one. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { getSite } from "../shared/site.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */

const MIN_TITLE = 15;
const MAX_TITLE = 300;
const MAX_BODY = 50_000;
const WORKER_LIFETIME_MS = 20_000;
/** A slow answer is shown when it comes; one more is asked for meanwhile, and the state after that waits its turn. */
const MAX_IN_FLIGHT = 2;
const FIRST_RETRY_MS = 3000;
const MAX_RETRY_MS = 60_000;
const MAX_DOUBLINGS = 9;

/** Whether this page has opened a draft: a later one counts as reloaded. */
let hasOpenedDraft = false;

/** @typedef {{draft_id: string, items: Record<string, ItemState>}} OpenedDraft */

/**
 * @typedef {object} DraftListener
 * @property {(draft: OpenedDraft) => Promise<void>} opened  awaited before the first request for tags
 * @property {() => void} tooShort  there is nothing to ask for
 * @property {() => void} asking
 * @property {(answer: Exclude<SuggestResult, {state: "superseded"}>) => void} answered  no older answer follows
 * @property {() => boolean} isPosting  whether the page is posting the question
 */

export class DraftWatcher {
  #page;
  #debounceMs;
  #listener;
  #signal;
  /** @type {ReturnType<typeof setTimeout> | undefined} runs while the writer types, or until a retry */
  #timer;
  /** @type {Promise<string> | undefined} */
  #draftId;
  /** The state of the draft in the last request. */
  #requested = "";
  /** Number of the last request. */
  #newest = 0;
  /** Number of the newest request that needs no answer any more. */
  #settled = 0;
  /** @type {Set<number>} */
  #inFlight = new Set();
  /** Whether there may be a newer state than those in flight, which are as many as may be. */
  #waiting = false;
  /** The service asked to be left alone until then, by the page's clock. */
  #notBefore = 0;
  /** How often in a row the service was away. */
  #failures = 0;
  /** Whether to ask when the tab is visible again. */
  #due = false;
  /** When the worker last got a message, by the page's clock. */
  #lastMessage = performance.now();

  /**
   * @param {Page} page
   * @param {number} debounceMs
   * @param {DraftListener} listener
   * @param {AbortSignal} signal
   */
  constructor(page, debounceMs, listener, signal) {
    this.#page = page;
    this.#debounceMs = debounceMs;
    this.#listener = listener;
    this.#signal = signal;
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    const onVisible = () => this.#due && !document.hidden && void this.#ask();
    document.addEventListener("visibilitychange", onVisible, { signal });
  }

  /** The draft may have changed: ask once the writer pauses. */
  changed() {
    this.#wakeWorker();
    clearTimeout(this.#timer);
    const delay = Math.max(this.#debounceMs, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => this.#ask(), delay);
  }

  /** Ask now, whatever was asked before. */
  retry() {
    this.#forget();
    void this.#ask();
  }

  async #ask() {
    [this.#timer, this.#due, this.#waiting] = [undefined, false, false];
    // The extension was updated or removed while the page is open: no message can be sent any more.
    if (!browser.runtime?.id) return this.#listener.answered({ state: "off" });
    // Read now, not at the keystroke: that does not slow the typing, and the page's toolbar changes the body silently.
    const draft = readDraft(this.#page);
    if (draft.title.trim().length < MIN_TITLE) return this.#close(draft);
    const state = JSON.stringify(draft);
    if (state === this.#requested) return;
    this.#waiting = this.#inFlight.size >= MAX_IN_FLIGHT;
    if (this.#waiting) return;
    this.#requested = state;
    this.#lastMessage = performance.now();
    const number = ++this.#newest;
    this.#inFlight.add(number);
    this.#listener.asking();
    const answer = await this.#suggest(draft);
    if (this.#signal.aborted) return;
    this.#inFlight.delete(number);
    if (number > this.#settled) this.#onAnswer(answer, number);
    // Where the writer types just now, the next pause asks.
    if (this.#waiting && this.#timer === undefined) void this.#ask();
  }

  /** @param {Draft} draft @returns {Promise<SuggestResult>} */
  async #suggest(draft) {
    try {
      this.#draftId ??= this.#open(draft.title).catch((error) => {
        this.#draftId = undefined;
        throw error;
      });
      return await sendMessage("suggest", { draft_id: await this.#draftId, draft });
    } catch {
      return { state: "away", message: "", wait_ms: 0, retryable: true };
    }
  }

  /** @param {string} title @returns {Promise<string>} the draft's id */
  async #open(title) {
    const [navigation] = performance.getEntriesByType("navigation");
    const reloaded = /** @type {PerformanceNavigationTiming} */ (navigation)?.type !== "navigate";
    const fields = { title, kind: this.#page.kind, reloaded: reloaded || hasOpenedDraft };
    const draft = await sendMessage("openDraft", fields);
    hasOpenedDraft = true;
    await this.#listener.opened(draft);
    return draft.draft_id;
  }

  /** @param {SuggestResult} answer @param {number} number  of its request; older ones need no answer any more */
  #onAnswer(answer, number) {
    if (answer.state === "superseded") return;
    if (answer.state === "away") {
      // A newer request may do better.
      if (number < this.#newest) return;
      this.#requested = "";
      this.#notBefore = performance.now() + answer.wait_ms;
      if (answer.retryable) this.#retryLater(answer.wait_ms);
    } else {
      [this.#settled, this.#notBefore, this.#failures] = [number, 0, 0];
      for (const older of this.#inFlight) if (older < number) this.#inFlight.delete(older);
    }
    this.#listener.answered(answer);
    if (this.#inFlight.size > 0) this.#listener.asking();
  }

  /** There is nothing to ask for, and no answer is wanted any more. @param {Draft} draft */
  #close({ title, body, chosen_tags }) {
    this.#forget();
    this.#listener.tooShort();
    const isEmpty = title === "" && body === "" && chosen_tags.length === 0;
    // A page that posts may empty itself, too.
    if (!this.#draftId || !isEmpty || this.#listener.isPosting()) return;
    // The writer discarded this draft, and the next one is another.
    this.#draftId = undefined;
    sendMessage("draftDiscarded", {}).catch(() => {});
  }

  /**
   * Ask again with exponential backoff and jitter: many who wait must not keep a service down.
   *
   * @param {number} waitMs  how long the service asked to be left alone; else 0
   */
  #retryLater(waitMs) {
    const factor = 2 ** Math.min(this.#failures++, MAX_DOUBLINGS);
    const backoff = Math.min(FIRST_RETRY_MS * factor, MAX_RETRY_MS) * (0.5 + Math.random() / 2);
    // The writer types, and the next pause asks anyway.
    if (waitMs === 0 && this.#timer !== undefined) return;
    clearTimeout(this.#timer);
    const retry = () => {
      // In a hidden tab it waits until somebody looks.
      [this.#timer, this.#due] = [undefined, document.hidden];
      if (!this.#due) void this.#ask();
    };
    this.#timer = setTimeout(retry, waitMs > 0 ? waitMs * factor : backoff);
  }

  #forget() {
    [this.#requested, this.#settled, this.#inFlight] = ["", this.#newest, new Set()];
    [this.#waiting, this.#due] = [false, false];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Start the worker while the writer still types: the browser stops one that got no message for 30 s. */
  #wakeWorker() {
    if (performance.now() - this.#lastMessage < WORKER_LIFETIME_MS) return;
    this.#lastMessage = performance.now();
    sendMessage("wake", {}).catch(() => {});
  }
}

/** @param {Page} page @returns {Draft} */
function readDraft(page) {
  const { title, body, body_format } = page.readDraft();
  return {
    kind: page.kind,
    page: page.generation,
    site: getSite(location),
    // A surrogate pair that is cut in half could not be sent as JSON.
    title: title.slice(0, MAX_TITLE).toWellFormed(),
    body: body.slice(0, MAX_BODY).toWellFormed(),
    body_format,
    chosen_tags: page.readTags(),
  };
}
