/** The wizard, 2022 to 2025: the ask page in steps, with two Stacks editors, each step locked until "Next". */

import { escapeHtml, readBody } from "./parts/body.js";
import { createFormPage } from "./parts/form.js";

/** @typedef {import("./contract.js").Page} Page */
/** @typedef {import("./parts/body.js").Body} Body */

/** @param {Document} document @returns {Page | null} null also while the step of the tags is locked */
export function find(document) {
  const form = document.querySelector("form#post-form");
  const editors = Array.from(form?.querySelectorAll("#problem-details, #problem-results") ?? []);
  if (!form || editors.length < 2 || form.querySelector(".js-overlay-enabled .js-tag-editor")) return null;
  return createFormPage(form, { generation: "wizard", kind: "ask" }, editors, () => joinBodies(editors.map(readBody)));
}

/**
 * Join the bodies of several editors in order. Each editor has its own mode: one in rich text makes all of it HTML.
 *
 * @param {Body[]} bodies
 * @returns {Body}
 */
function joinBodies(bodies) {
  const written = bodies.filter(({ body }) => body !== "");
  const format = written.some(({ body_format }) => body_format === "html") ? "html" : "markdown";
  const parts = written.map(({ body, body_format }) => (body_format === format ? body : `<p>${escapeHtml(body)}</p>`));
  return { body: parts.join(format === "html" ? "" : "\n\n"), body_format: format };
}
