/** Tells the background that this tab was led to a question: only so is one just submitted known as posted. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";

const QUESTION = /^\/(questions|staging-ground)\/(\d+)(?:\/|$)/;
const FIRST_WAIT_MS = 200;
const TRIES = 6;

/** Whether it is the path of a question, or of one that is staged. @param {string} path */
export const isQuestion = (path) => QUESTION.test(path);

/** The page was loaded: come to by a link or a form, not by an address, the history or a reload. */
export async function tellLoaded() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const from = URL.parse(document.referrer);
  if (navigation?.type === "navigate" && from?.origin === location.origin) await tellArrival(location.pathname, from.pathname);
}

/**
 * Reads nothing but the address; says nothing where it is not that of a question, or none was submitted.
 *
 * @param {string} path
 * @param {string} from  path of the page that led there
 */
export async function tellArrival(path, from) {
  const [, place, number] = QUESTION.exec(path) ?? [];
  if (!place || !(await anySubmitted())) return;
  // What is staged is posted, but no question yet: its number is of another series.
  void tell({ question_id: place === "questions" ? Number(number) : null, from });
}

/** Whether there is anything to tell: no worker is started for a question that is only read. */
async function anySubmitted() {
  return Object.keys(await browser.storage.local.get(null)).some((key) => key.startsWith(SUBMISSION_PREFIX));
}

/**
 * Until there is an answer: the worker may die while it listens, and it is safe to hear it twice.
 *
 * @param {{question_id: number | null, from: string}} arrival
 */
async function tell(arrival, tries = 1) {
  try {
    await sendMessage("questionOpened", arrival);
  } catch {
    if (tries < TRIES) setTimeout(tell, FIRST_WAIT_MS * 2 ** tries, arrival, tries + 1);
  }
}
