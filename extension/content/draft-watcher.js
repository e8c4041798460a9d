/** Follows the draft: waits for a pause in the typing, asks for tags, lets no answer through after a newer one. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { getSite } from "../shared/site.js";
import { isPending } from "./posted-question.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("../shared/protocol.js").Draft} Draft */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */
/** @typedef {import("../shared/protocol.js").ItemState} ItemState */

const SHORTEST_TITLE = 15;
const LONGEST_TITLE = 300;
const LONGEST_BODY = 50_000;
const WORKER_LIVES_MS = 20_000;
/** A slow answer is shown when it comes; one more is asked for meanwhile, and the state after that waits its turn. */
const MOST_IN_FLIGHT = 2;
const FIRST_RETRY_MS = 3000;
const LONGEST_RETRY_MS = 60_000;
const MOST_DOUBLINGS = 9;

/** Whether this page has opened a draft: then, for the background, it is come back to. */
let opened = false;

/**
 * @typedef {object} Follower
 * @property {(draft: {draft_id: string, items: Record<string, ItemState>}) => void} opened  the draft is known
 * @property {() => void} tooShort  nothing to ask yet
 * @property {() => void} asking
 * @property {(answer: Exclude<SuggestResult, {state: "superseded"}>) => void} answered  the newest that came
 */

/**
 * @param {Page} page
 * @param {number} debounceMs
 * @param {Follower} follower
 * @param {AbortSignal} signal
 * @returns {{changed: () => void, retry: () => void}}
 */
export function followDraft(page, debounceMs, follower, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} runs while the writer types, or the service is left alone */
  let timer;
  /** @type {Promise<string> | undefined} */
  let draftId;
  let asked = "";
  /** Numbers of the last request and of the newest that needs no answer any more. */
  let [newest, settled] = [0, 0];
  /** @type {Set<number>} */
  let inFlight = new Set();
  /** Whether there may be a newer state than those in flight, which are as many as may be. */
  let waiting = false;
  /** The service is left alone until then, by the page's clock, as it asked for. */
  let notBefore = 0;
  /** How often in a row it was away. */
  let refusals = 0;
  /** Whether a state is to be asked for once more when the page is looked at again. */
  let due = false;
  /** When the worker was last spoken to, by the page's clock. */
  let said = performance.now();
  signal.addEventListener("abort", () => clearTimeout(timer));
  document.addEventListener("visibilitychange", () => due && !document.hidden && void ask(), { signal });

  /** @returns {Draft} */
  const read = () => {
    const { title, body, body_format } = page.readDraft();
    return {
      kind: page.kind,
      page: page.generation,
      site: getSite(location),
      // A pair cut in half is no text that JSON could carry.
      title: title.slice(0, LONGEST_TITLE).toWellFormed(),
      body: body.slice(0, LONGEST_BODY).toWellFormed(),
      body_format,
      chosen_tags: page.readTags(),
    };
  };

  /** @param {string} title */
  const open = async (title) => {
    const [navigation] = performance.getEntriesByType("navigation");
    const reloaded = /** @type {PerformanceNavigationTiming} */ (navigation)?.type !== "navigate";
    const draft = await sendMessage("openDraft", { title, kind: page.kind, reloaded: reloaded || opened });
    opened = true;
    follower.opened(draft);
    return draft.draft_id;
  };

  const ask = async () => {
    [timer, due, waiting] = [undefined, false, false];
    // Updated or removed under the page's feet, we can say nothing any more.
    if (!browser.runtime?.id) return follower.answered({ state: "off" });
    // Read now, not at the keystroke: that costs the writer nothing, and the page's toolbar changes the body untold.
    const draft = read();
    if (draft.title.trim().length < SHORTEST_TITLE) return close(draft);
    const state = JSON.stringify(draft);
    if (state === asked) return;
    waiting = inFlight.size >= MOST_IN_FLIGHT;
    if (waiting) return;
    asked = state;
    said = performance.now();
    const number = ++newest;
    inFlight.add(number);
    follower.asking();
    const answer = await suggest(draft);
    if (signal.aborted) return;
    inFlight.delete(number);
    if (number > settled) heed(answer, number);
    // At the next pause, where the writer types just now.
    if (waiting && timer === undefined) void ask();
  };

  /** @param {Draft} draft @returns {Promise<SuggestResult>} */
  const suggest = async (draft) => {
    try {
      draftId ??= open(draft.title).catch((error) => {
        draftId = undefined;
        throw error;
      });
      return await sendMessage("suggest", { draft_id: await draftId, draft });
    } catch {
      return { state: "away", message: "", wait_ms: 0, retryable: true };
    }
  };

  /** @param {SuggestResult} answer @param {number} number  of its request; those before it need no answer any more */
  const heed = (answer, number) => {
    if (answer.state === "superseded") return;
    if (answer.state === "away") {
      // The one after it may do better.
      if (number < newest) return;
      asked = "";
      notBefore = performance.now() + answer.wait_ms;
      if (answer.retryable) askAgain(answer.wait_ms);
    } else {
      [settled, notBefore, refusals] = [number, 0, 0];
      for (const older of inFlight) if (older < number) inFlight.delete(older);
    }
    follower.answered(answer);
    if (inFlight.size > 0) follower.asking();
  };

  /** Nothing to ask for, and no answer is wanted any more. @param {Draft} draft */
  const close = ({ title, body, chosen_tags }) => {
    forget();
    follower.tooShort();
    if (draftId && title === "" && body === "" && chosen_tags.length === 0 && !isPending()) {
      // Everything is gone: the writer threw this draft away, and the next one is another. A page that posts may
      // empty itself, too.
      draftId = undefined;
      sendMessage("draftDiscarded", {}).catch(() => {});
    }
  };

  const askLater = (wait = debounceMs) => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(wait, notBefore - performance.now()));
  };

  /** Each time later, and not all at one moment: many who wait must not keep a service down. @param {number} named  ms */
  const askAgain = (named) => {
    const doubled = 2 ** Math.min(refusals++, MOST_DOUBLINGS);
    const own = Math.min(FIRST_RETRY_MS * doubled, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
    // The writer types, and the next pause asks anyway.
    if (named === 0 && timer !== undefined) return;
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        // Nobody looks: it can wait until somebody does.
        [timer, due] = [undefined, document.hidden];
        if (!due) void ask();
      },
      named > 0 ? named * doubled : own,
    );
  };

  const forget = () => {
    [asked, settled, inFlight, waiting, due] = ["", newest, new Set(), false, false];
    clearTimeout(timer);
    timer = undefined;
  };

  /** The browser stops a worker that heard nothing for 30 s: it starts again while the writer still types. */
  const wake = () => {
    if (performance.now() - said < WORKER_LIVES_MS) return;
    said = performance.now();
    sendMessage("wake", {}).catch(() => {});
  };

  return {
    changed() {
      wake();
      askLater();
    },
    retry() {
      forget();
      void ask();
    },
  };
}
