// Behaves like the classic ask page: its editor, its validation, its posting.
import { $, faults, keeping, post, tell } from "./page.js";
import { tagField } from "./tag-field.js";

const form = $("#post-form");
const [title, body] = [$("#title"), $("#wmd-input")];
let kept;
const tags = tagField(form, () => kept?.save());

const preview = () => ($("#wmd-preview").textContent = body.value);
const show = (draft) => {
  [title.value, body.value] = [draft.title, draft.body];
  preview();
  tags.show(draft.tags);
};
const read = () => ({ title: title.value, body: body.value, tags: tags.names() });
kept = keeping("classic-draft", read, show);

body.addEventListener("input", () => (preview(), kept.save()));
title.addEventListener("input", () => kept.save());
// The toolbar changes the text by script: no input event, only the preview follows.
const wrap = (mark) => {
  body.setRangeText(mark + body.value.slice(body.selectionStart, body.selectionEnd) + mark);
  preview();
};
$("#wmd-bold-button").addEventListener("click", () => wrap("**"));
$("#wmd-code-button").addEventListener("click", () => wrap("`"));

$(".js-begin-review-button").addEventListener("click", () => tell($("#form-message"), ""));
$(".js-discard-question").addEventListener("click", () => {
  show({ title: "", body: "", tags: [] });
  title.dispatchEvent(new Event("input", { bubbles: true }));
  kept.forget();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const wrong = faults(read());
  tell($("#title-message"), wrong.title);
  tell($("#body-message"), wrong.body);
  tell(tags.message, wrong.tags);
  const bad = Object.values(wrong).some(Boolean);
  tell($("#form-message"), bad ? "Your question couldn't be submitted. Please see the errors above." : "");
  if (bad) return;
  kept.forget();
  void post(form.action, { ...read() });
});
