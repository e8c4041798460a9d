/** The line beside the chips' title: what has just happened, or how things stand, and what can be done about it. */

import { button, make, put } from "./elements.js";

/** @typedef {import("./panel.js").Note} Note */

const MOST_STEPS = 2;

/** @param {import("./presses.js").Presses} presses */
export function createNoteLine(presses) {
  const element = make("div", "note");
  const text = make("span", "");
  const steps = Array.from({ length: MOST_STEPS }, () => button(""));
  /** @type {Note | null} */
  let note = null;
  element.append(text, ...steps);
  steps.forEach((step, index) => presses.on(step, () => note?.steps?.[index]?.run()));

  return {
    element,
    steps,

    /** What it says. */
    text: () => text.textContent ?? "",

    /** @param {Note | null} next */
    draw(next) {
      note = next;
      element.hidden = note === null;
      put(text, note?.text ?? "");
      text.title = note?.text ?? "";
      steps.forEach((step, index) => {
        put(step, note?.steps?.[index]?.label ?? "");
        step.hidden = step.textContent === "";
      });
    },
  };
}
