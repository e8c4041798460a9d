/** What pages with the form of 2019 share: a title, a tag field with its tags and input in one box, a submit. */

import { readTagNames } from "./tag-list.js";
import { watchChanges, watchPosting, watchTagEdits } from "./watch.js";

/** @typedef {import("../contract.js").Page} Page */
/** @typedef {import("./body.js").Body} Body */

const INPUT = ".js-tag-editor input.js-tageditor-replacing";

/** Loaded at the first click on a chip: until then there is only reading. */
const loadTagInput = () => import("./form-tag-input.js");

/**
 * @param {Element} form
 * @param {Pick<Page, "generation" | "kind">} identity
 * @param {Element[]} bodies  that contain the body, and change with it
 * @param {() => Body} readBody
 * @returns {Page | null} null where a part is missing
 */
export function createFormPage(form, identity, bodies, readBody) {
  const title = form.querySelector("#title");
  // Only in here: the site has more tag fields, for its filters.
  const input = form.querySelector(INPUT);
  const editor = input?.closest(".js-tag-editor");
  // Label, editor, drop-down and messages.
  const block = editor?.closest("#tag-editor") ?? editor?.closest(".js-tag-editor-container")?.parentElement;
  if (!(title instanceof HTMLInputElement || title instanceof HTMLTextAreaElement)) return null;
  if (!(input instanceof HTMLInputElement && editor instanceof HTMLElement && block)) return null;
  const list = {
    root: block,
    tag: ".js-tag-editor .s-tag.rendered-element",
    removeButton: ".js-delete-tag",
    hiddenInput: "input#tagnames",
  };
  // A page may draw it anew with every tag.
  const getInput = () => /** @type {HTMLInputElement | null} */ (block.querySelector(INPUT));
  const field = { list, getInput, dropDown: ".js-tag-suggestions" };
  return {
    ...identity,
    get parts() {
      return [title, getInput() ?? input, ...bodies];
    },
    maxTags: 5,
    readDraft: () => ({ title: title.value, ...readBody() }),
    readTags: () => readTagNames(list),
    addTag: async (tag) => (await loadTagInput()).addTag(field, tag),
    removeTag: async (tag) => (await loadTagInput()).removeTag(field, tag),
    place(host) {
      if (host.parentElement !== block) block.append(host);
    },
    focusTags: () => getInput()?.focus(),
    observe(listener, signal) {
      watchChanges(form, [block, ...bodies], listener, signal);
      watchTagEdits(list, getInput, listener, signal);
      watchPosting("submit", ({ target }) => target === form, listener, signal);
    },
  };
}
