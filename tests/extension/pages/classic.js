// Behaves like the classic ask page: its editor, its validation, its posting.
import { $, findErrors, keepDraft, post, showMessage } from "./page.js";
import { createTagField } from "./tag-field.js";

const form = $("#post-form");
const [title, body] = [$("#title"), $("#wmd-input")];
let kept;
const tags = createTagField(form, () => kept?.save());

const preview = () => ($("#wmd-preview").textContent = body.value);
const show = (draft) => {
  [title.value, body.value] = [draft.title, draft.body];
  preview();
  tags.show(draft.tags);
};
const read = () => ({ title: title.value, body: body.value, tags: tags.names() });
kept = keepDraft("classic-draft", read, show);

body.addEventListener("input", () => (preview(), kept.save()));
title.addEventListener("input", () => kept.save());
// The toolbar changes the text by script: no input event, only the preview follows.
const wrap = (mark) => {
  body.setRangeText(mark + body.value.slice(body.selectionStart, body.selectionEnd) + mark);
  preview();
};
$("#wmd-bold-button").addEventListener("click", () => wrap("**"));
$("#wmd-code-button").addEventListener("click", () => wrap("`"));

$(".js-begin-review-button").addEventListener("click", () => showMessage($("#form-message"), ""));
$(".js-discard-question").addEventListener("click", () => {
  show({ title: "", body: "", tags: [] });
  title.dispatchEvent(new Event("input", { bubbles: true }));
  kept.forget();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const errors = findErrors(read());
  showMessage($("#title-message"), errors.title);
  showMessage($("#body-message"), errors.body);
  showMessage(tags.message, errors.tags);
  const isRefused = Object.values(errors).some(Boolean);
  showMessage($("#form-message"), isRefused ? "Your question couldn't be submitted. Please see the errors above." : "");
  if (isRefused) return;
  kept.forget();
  void post(form.action, { ...read() });
});
