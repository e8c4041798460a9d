/** The Svelte page of 2026: no form element, no hidden value of the tags, an editor that is mounted on a click. */

import { readBody } from "./parts/body.js";
import { readSourceText } from "./parts/source-text.js";
import { readTagNames } from "./parts/tag-list.js";
import { watchChanges, watchPosting, watchTagEdits } from "./parts/watch.js";

/** @typedef {import("./contract.js").Page} Page */

/** Only their texts tell the button that posts from the one that leads to it. */
const POST_TEXT = /^(post your question|submit (to staging ground|your question))$/i;
const MAIN_BUTTON = "[type='submit'], .s-btn__filled, .s-btn__primary";
const FIELD = "#text-input-container";
const INPUT = `${FIELD} input#filterInput`;
const OTHER_PARTS = "#editor-container-question, #text-input-container, dialog, [role='dialog'], .s-modal, .s-popover";

/** Loaded at the first click on a chip: until then there is only reading. */
const loadTagInput = () => import("./parts/svelte-tag-input.js");

/** @param {Document} document @returns {Page | null} */
export function find(document) {
  const form = document.querySelector("#question-form");
  const title = form?.querySelector("#post-title-input");
  const body = form?.querySelector("#editor-container-question");
  const input = form?.querySelector(INPUT);
  if (!(form && title instanceof HTMLInputElement && body && input instanceof HTMLInputElement)) return null;
  const list = { root: form, tag: `${FIELD} .s-tag`, removeButton: "button.s-tag--dismiss" };
  // A page may draw it anew with every tag.
  const getInput = () => /** @type {HTMLInputElement | null} */ (form.querySelector(INPUT));
  const field = { list, getInput, dropDown: "#tag-searchResults", closesOnBlur: true };
  return {
    generation: "svelte",
    kind: "ask",
    get parts() {
      return [form, title, body, getInput() ?? input];
    },
    maxTags: 5,
    readDraft: () => ({ title: title.value, ...readBody(body) }),
    readTags: () => readTagNames(list),
    addTag: async (tag) => (await loadTagInput()).addTag(field, tag),
    removeTag: async (tag) => (await loadTagInput()).removeTag(field, tag),
    place(host) {
      const tags = form.querySelector(FIELD);
      if (tags && host.parentElement !== tags.parentElement) tags.after(host);
    },
    focusTags: () => getInput()?.focus(),
    observe(listener, signal) {
      watchChanges(form, [form], listener, signal);
      watchTagEdits(list, getInput, listener, signal);
      watchPosting("click", isPost, listener, signal);
    },
  };
}

/** @param {Event} event */
function isPost({ target }) {
  const button = target instanceof Element ? target.closest("button") : null;
  if (!button) return false;
  const text = readSourceText(button);
  // Translated before we looked: then go by its style. It counts as posted only if the tab reaches the question.
  if (text === undefined) return button.matches(MAIN_BUTTON) && !button.closest(OTHER_PARTS);
  return POST_TEXT.test(text.trim().replace(/\s+/g, " "));
}
