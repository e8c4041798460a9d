/** The line beside the panel's title: what has just happened, or the current state, and what can be done about it. */

import { createButton, createElement, setText } from "./elements.js";

/** @typedef {import("./panel.js").Note} Note */

const MAX_ACTIONS = 2;

/** @param {import("./presses.js").Presses} presses */
export function createNoteLine(presses) {
  const element = createElement("div", "note");
  const text = createElement("span");
  const buttons = Array.from({ length: MAX_ACTIONS }, () => createButton());
  /** @type {Note | null} */
  let note = null;
  element.append(text, ...buttons);
  buttons.forEach((button, index) => presses.on(button, () => note?.actions?.[index]?.run()));

  return {
    element,
    buttons,
    getText: () => text.textContent ?? "",

    /** @param {Note | null} next */
    draw(next) {
      note = next;
      element.hidden = note === null;
      setText(text, note?.text ?? "");
      text.title = note?.text ?? "";
      buttons.forEach((button, index) => {
        setText(button, note?.actions?.[index]?.label ?? "");
        button.hidden = button.textContent === "";
      });
    },
  };
}
