/** Reports to the background that the tab went to a question: so a submitted one is known to be posted. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";

const QUESTION_PATH = /^\/(questions|staging-ground)\/(\d+)(?:\/|$)/;
const FIRST_DELAY_MS = 200;
const MAX_ATTEMPTS = 6;

/** Whether it is the path of a question, or of one in the staging ground. @param {string} path */
export const isQuestion = (path) => QUESTION_PATH.test(path);

/** Report the question if a link or a form of the site led to this page, not an address, the history or a reload. */
export async function onLoad() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const from = URL.parse(document.referrer);
  if (navigation?.type !== "navigate" || from?.origin !== location.origin) return;
  await reportQuestion(location.pathname, from.pathname);
}

/**
 * Report the question at a path, if there is one and any was submitted. Reads nothing but the address.
 *
 * @param {string} path
 * @param {string} from  path of the page that led there
 */
export async function reportQuestion(path, from) {
  const [, place, number] = QUESTION_PATH.exec(path) ?? [];
  if (!place || !(await isAnySubmitted())) return;
  // In the staging ground it is posted, but no question yet: its number is of another series.
  void report({ question_id: place === "questions" ? Number(number) : null, from });
}

/** Whether any question was submitted: the worker is not started for a question that is only read. */
async function isAnySubmitted() {
  return Object.keys(await browser.storage.local.get(null)).some((key) => key.startsWith(SUBMISSION_PREFIX));
}

/**
 * Send the report until there is an answer: the worker may die meanwhile, and may get it twice.
 *
 * @param {{question_id: number | null, from: string}} arrival
 */
async function report(arrival, attempt = 1) {
  try {
    await sendMessage("questionOpened", arrival);
  } catch {
    if (attempt < MAX_ATTEMPTS) setTimeout(report, FIRST_DELAY_MS * 2 ** attempt, arrival, attempt + 1);
  }
}
