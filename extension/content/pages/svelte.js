/** The Svelte page of 2026: no form element, no hidden value of the tags, an editor that is mounted on a click. */

import { readBody } from "./parts/body.js";
import { namesOf } from "./parts/tag-list.js";
import { sourceTextOf } from "./parts/source-text.js";
import { watchChanges, watchHands, watchPosting } from "./parts/watch.js";

/** @typedef {import("./contract.js").Page} Page */

/** Only their texts tell the button that posts from the one that leads to it. */
const POST = /^(post your question|submit (to staging ground|your question))$/i;
const MAIN_BUTTON = "[type='submit'], .s-btn__filled, .s-btn__primary";
const FIELD = "#text-input-container";
const INPUT = `${FIELD} input#filterInput`;
const OTHER_PARTS = "#editor-container-question, #text-input-container, dialog, [role='dialog'], .s-modal, .s-popover";

/** Loaded at the first click on a chip: until then there is only reading. */
const acts = () => import("./parts/svelte-tag-input.js");

/** @param {Document} document @returns {Page | null} */
export function find(document) {
  const form = document.querySelector("#question-form");
  const title = form?.querySelector("#post-title-input");
  const body = form?.querySelector("#editor-container-question");
  const input = form?.querySelector(INPUT);
  if (!(form && title instanceof HTMLInputElement && body && input instanceof HTMLInputElement)) return null;
  const chosen = { root: form, chip: `${FIELD} .s-tag`, button: "button.s-tag--dismiss" };
  // A page may draw it anew with every tag.
  const inputNow = () => /** @type {HTMLInputElement | null} */ (form.querySelector(INPUT));
  const tagField = { chosen, input: inputNow, hits: "#tag-searchResults", closes: true };
  return {
    generation: "svelte",
    kind: "ask",
    get parts() {
      return [form, title, body, inputNow() ?? input];
    },
    mostTags: 5,
    readDraft: () => ({ title: title.value, ...readBody(body) }),
    readTags: () => namesOf(chosen),
    addTag: async (tag) => (await acts()).add(tagField, tag),
    removeTag: async (tag) => (await acts()).remove(tagField, tag),
    place(host) {
      const place = form.querySelector(FIELD);
      if (place && host.parentElement !== place.parentElement) place.after(host);
    },
    focusTags: () => inputNow()?.focus(),
    observe(listener, signal) {
      watchChanges(form, [form], listener, signal);
      watchHands(chosen, inputNow, listener, signal);
      watchPosting("click", posts, listener, signal);
    },
  };
}

/** @param {Event} event */
function posts({ target }) {
  const button = target instanceof Element ? target.closest("button") : null;
  if (!button) return false;
  const text = sourceTextOf(button);
  // Translated before we came: what it looks like then has to do. Only a question that is arrived at counts as posted.
  if (text === undefined) return button.matches(MAIN_BUTTON) && !button.closest(OTHER_PARTS);
  return POST.test(text.trim().replace(/\s+/g, " "));
}
