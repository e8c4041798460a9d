/** What pages with the form of 2019 share: a title, a tag field with its chips and input in one box, a submit. */

import { namesOf } from "./tag-list.js";
import { watchChanges, watchHands, watchPosting } from "./watch.js";

/** @typedef {import("../contract.js").Page} Page */
/** @typedef {import("./body.js").Body} Body */

const INPUT = ".js-tag-editor input.js-tageditor-replacing";

/** Loaded at the first click on a chip: until then there is only reading. */
const acts = () => import("./form-tag-input.js");

/**
 * @param {Element} form
 * @param {Pick<Page, "generation" | "kind">} name
 * @param {Element[]} bodies  what holds the body, and changes with it
 * @param {() => Body} readBody
 * @returns {Page | null} null where a part is missing
 */
export function pageOf(form, name, bodies, readBody) {
  const title = form.querySelector("#title");
  // Only in here: the site has more tag fields, for its filters.
  const input = form.querySelector(INPUT);
  const field = input?.closest(".js-tag-editor");
  // Label, field, drop-down and messages.
  const block = field?.closest("#tag-editor") ?? field?.closest(".js-tag-editor-container")?.parentElement;
  if (!(title instanceof HTMLInputElement || title instanceof HTMLTextAreaElement)) return null;
  if (!(input instanceof HTMLInputElement && field instanceof HTMLElement && block)) return null;
  const chosen = {
    root: block,
    chip: ".js-tag-editor .s-tag.rendered-element",
    button: ".js-delete-tag",
    hidden: "input#tagnames",
  };
  // A page may draw it anew with every tag.
  const inputNow = () => /** @type {HTMLInputElement | null} */ (block.querySelector(INPUT));
  const tagField = { chosen, input: inputNow, hits: ".js-tag-suggestions" };
  return {
    ...name,
    get parts() {
      return [title, inputNow() ?? input, ...bodies];
    },
    mostTags: 5,
    readDraft: () => ({ title: title.value, ...readBody() }),
    readTags: () => namesOf(chosen),
    addTag: async (tag) => (await acts()).add(tagField, tag),
    removeTag: async (tag) => (await acts()).remove(tagField, tag),
    place(host) {
      if (host.parentElement !== block) block.append(host);
    },
    focusTags: () => inputNow()?.focus(),
    observe(listener, signal) {
      watchChanges(form, [block, ...bodies], listener, signal);
      watchHands(chosen, inputNow, listener, signal);
      watchPosting("submit", ({ target }) => target === form, listener, signal);
    },
  };
}
