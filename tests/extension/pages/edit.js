// Behaves like the page to edit a question: its form arrives by XHR, with what the question has now.
import { $, faults, keeping, options, post, tell } from "./page.js";
import { editorIn } from "./editor.js";
import { tagField } from "./tag-field.js";

$("#post-4711").innerHTML = await (await fetch("/fixture/edit-form.html")).text();

const form = $("#post-form-4711");
const [title, textarea] = [$("#title"), $("#wmd-input-4711")];
let kept;
const save = () => kept?.save();
const tags = tagField(form, save);
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
  // By script: nobody is told that the textarea has another value.
  editor = editorIn(container, textarea.value, (text) => ((textarea.value = text), save()));
}

kept = keeping(
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
  const wrong = Object.values(faults(draft)).filter(Boolean);
  tell($("#form-message"), wrong.join(" "));
  if (wrong.length > 0) return;
  kept.forget();
  void post(form.action, draft, "4711");
});
