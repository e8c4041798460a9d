// Behaves like the page to edit a question: its form is loaded by XHR, with the question's present content.
import { $, findErrors, keepDraft, options, post, showMessage } from "./page.js";
import { createEditor } from "./editor.js";
import { createTagField } from "./tag-field.js";

$("#post-4711").innerHTML = await (await fetch("/fixture/edit-form.html")).text();

const form = $("#post-form-4711");
const [title, textarea] = [$("#title"), $("#wmd-input-4711")];
let kept;
const save = () => kept?.save();
const tags = createTagField(form, save);
tags.show(["html"]);
title.addEventListener("input", save);

let editor;
if (options.has("plain")) {
  textarea.classList.remove("js-stacks-editor-backing-textarea");
  textarea.addEventListener("input", save);
} else {
  textarea.hidden = true;
  const container = document.createElement("div");
  textarea.after(container);
  // By script: this fires no input event on the textarea.
  editor = createEditor(container, textarea.value, (text) => ((textarea.value = text), save()));
}

kept = keepDraft(
  "edit-draft",
  () => ({ title: title.value, body: textarea.value, tags: tags.names() }),
  (draft) => {
    [title.value, textarea.value] = [draft.title, draft.body];
    if (editor) editor.content = draft.body;
    tags.show(draft.tags);
  },
);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const draft = { title: title.value, body: textarea.value, tags: tags.names() };
  const errors = Object.values(findErrors(draft)).filter(Boolean);
  showMessage($("#form-message"), errors.join(" "));
  if (errors.length > 0) return;
  kept.forget();
  void post(form.action, draft, "4711");
});
