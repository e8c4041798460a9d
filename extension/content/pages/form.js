/** What pages with the form of 2019 share: a title, a tag field with its chips and input in one box, a submit. */

import { namesOf } from "./chosen.js";
import { watchChanges, watchPosting } from "./watch.js";

/** @typedef {import("./contract.js").Page} Page */
/** @typedef {import("./body.js").Body} Body */

/** Loaded at the first click on a chip: until then there is only reading. */
const acts = () => import("./form-acts.js");

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
  const input = form.querySelector(".js-tag-editor input.js-tageditor-replacing");
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
  return {
    ...name,
    parts: [title, input, ...bodies],
    mostTags: 5,
    readDraft: () => ({ title: title.value, ...readBody() }),
    readTags: () => namesOf(chosen),
    addTag: async (tag) => (await acts()).add(chosen, field, input, tag),
    removeTag: async (tag) => (await acts()).remove(chosen, tag),
    place(host) {
      if (host.parentElement !== block) block.append(host);
    },
    focusTags: () => input.focus(),
    observe(listener, signal) {
      watchChanges(form, [block, ...bodies], listener, signal);
      watchPosting(form, "submit", ({ target }) => target === form, listener, signal);
    },
  };
}
