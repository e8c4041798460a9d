/** Tells the background that this tab shows a question: only so is a question just submitted known as posted. */

import { say } from "../say.js";

const FIRST_WAIT_MS = 200;
const TRIES = 6;

/** Reads nothing but the address; says nothing where it is not that of a question. */
export function tellArrival() {
  const [, place, number] = /^\/(questions|staging-ground)\/(\d+)(?:\/|$)/.exec(location.pathname) ?? [];
  // What is staged is posted, but no question yet: its number is of another series.
  if (place) void tell(place === "questions" ? Number(number) : null);
}

/** Until there is an answer: the worker may die while it listens, and it is safe to hear it twice. @param {number | null} question_id */
async function tell(question_id, tries = 1) {
  try {
    await say("arrived", { question_id });
  } catch {
    if (tries < TRIES) setTimeout(tell, FIRST_WAIT_MS * 2 ** tries, question_id, tries + 1);
  }
}
