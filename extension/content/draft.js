/** Follows the draft: waits for a pause in the typing, asks for tags, lets only the newest answer through. */

import { browser } from "../browser.js";
import { say } from "../say.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("../messages.js").Draft} Draft */
/** @typedef {import("../messages.js").Answer} Answer */
/** @typedef {import("../messages.js").ItemLife} ItemLife */

const SHORTEST_TITLE = 15;
const LONGEST_TITLE = 300;
const LONGEST_BODY = 50_000;
const WORKER_LIVES_MS = 20_000;
const MOST_DOUBLINGS = 9;

/** Whether this page has opened a draft: then, for the background, it is come back to. */
let opened = false;

/**
 * @typedef {object} Follower
 * @property {(draft: {draft_id: string, items: Record<string, ItemLife>}) => void} opened  the draft is known
 * @property {() => void} tooShort  nothing to ask yet
 * @property {() => void} asking
 * @property {(answer: Exclude<Answer, {state: "overtaken"}>) => void} answered  to the newest state asked for
 */

/**
 * @param {Page} page
 * @param {number} debounceMs
 * @param {Follower} follower
 * @param {AbortSignal} signal
 * @returns {{changed: () => void, retry: () => void}}
 */
export function followDraft(page, debounceMs, follower, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<string> | undefined} */
  let draftId;
  let asked = "";
  let newest = 0;
  /** The service is left alone until then, by the page's clock, as it asked for. */
  let notBefore = 0;
  /** How often in a row it asked for that. */
  let refusals = 0;
  /** When the worker was last spoken to, by the page's clock. */
  let said = performance.now();
  signal.addEventListener("abort", () => clearTimeout(timer));

  /** @returns {Draft} */
  const read = () => {
    const { title, body, body_format } = page.readDraft();
    return {
      kind: page.kind,
      page: page.generation,
      site: location.hostname.replace(/^www\./, ""),
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
    const draft = await say("open", { title, kind: page.kind, reloaded: reloaded || opened });
    opened = true;
    follower.opened(draft);
    return draft.draft_id;
  };

  const ask = async () => {
    // Updated or removed under the page's feet, we can say nothing any more.
    if (!browser.runtime?.id) return follower.answered({ state: "off" });
    // Read now, not at the keystroke: that costs the writer nothing, and the page's toolbar changes the body untold.
    const draft = read();
    if (draft.title.trim().length < SHORTEST_TITLE) return close(draft);
    const state = JSON.stringify(draft);
    if (state === asked) return;
    asked = state;
    said = performance.now();
    const number = ++newest;
    follower.asking();
    /** @type {Answer} */
    let answer;
    try {
      draftId ??= open(draft.title).catch((error) => {
        draftId = undefined;
        throw error;
      });
      answer = await say("suggest", { draft_id: await draftId, draft });
    } catch {
      answer = { state: "away", message: "", wait_ms: 0 };
    }
    if (number !== newest || signal.aborted || answer.state === "overtaken") return;
    notBefore = 0;
    if (answer.state === "away") {
      asked = "";
      notBefore = performance.now() + answer.wait_ms;
      // Each time later: many who wait must not keep a busy service down.
      if (answer.wait_ms > 0) askLater(answer.wait_ms * 2 ** Math.min(refusals++, MOST_DOUBLINGS));
    } else refusals = 0;
    follower.answered(answer);
  };

  /** Nothing to ask for, and no answer is wanted any more. @param {Draft} draft */
  const close = ({ title, body, chosen_tags }) => {
    forget();
    follower.tooShort();
    if (draftId && title === "" && body === "" && chosen_tags.length === 0) {
      // Everything is gone: the writer threw this draft away, and the next one is another.
      draftId = undefined;
      say("discarded", {}).catch(() => {});
    }
  };

  const askLater = (wait = debounceMs) => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(wait, notBefore - performance.now()));
  };

  const forget = () => {
    asked = "";
    newest += 1;
    clearTimeout(timer);
  };

  /** The browser stops a worker that heard nothing for 30 s: it starts again while the writer still types. */
  const wake = () => {
    if (performance.now() - said < WORKER_LIVES_MS) return;
    said = performance.now();
    say("wake", {}).catch(() => {});
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
