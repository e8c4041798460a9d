/** The classic ask page, 2019 to now: one form with a Markdown textarea. */

import { createFormPage } from "./parts/form.js";

/** @typedef {import("./contract.js").Page} Page */

/** @param {Document} document @returns {Page | null} */
export function find(document) {
  const form = document.querySelector("form#post-form");
  // By id: `.js-post-body-field` exists once more, for the answer to one's own question.
  const body = form?.querySelector("#wmd-input");
  if (!form || !(body instanceof HTMLTextAreaElement)) return null;
  // The toolbar changes the body without an input event, but never without its preview.
  const watched = [body, ...form.querySelectorAll(".js-wmd-preview")];
  return createFormPage(form, { generation: "classic", kind: "ask" }, watched, () => ({
    body: body.value,
    body_format: "markdown",
  }));
}
