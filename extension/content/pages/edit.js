/** The page to edit a question: a form named after its post, with a Stacks editor or the plain textarea. */

import { readBody } from "./parts/body.js";
import { createFormPage } from "./parts/form.js";

/** @typedef {import("./contract.js").Page} Page */

/** @param {Document} document @returns {Page | null} */
export function find(document) {
  const textarea = document.querySelector("form:not(#post-form) textarea.js-post-body-field");
  const form = textarea?.closest("form");
  const body = textarea?.closest(".js-stacks-editor-container") ?? textarea?.parentElement;
  if (!form || !body) return null;
  // The plain textarea's toolbar changes it without an input event, but never without its preview.
  const watched = [body, ...form.querySelectorAll(".js-wmd-preview")];
  return createFormPage(form, { generation: "edit", kind: "edit" }, watched, () => readBody(body));
}
