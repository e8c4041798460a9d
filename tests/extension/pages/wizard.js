// Behaves like the ask wizard: a dialog first, then step after step, each locked until "Next" of the one before.
import { $, findErrors, keepDraft, post, showMessage } from "./page.js";
import { createEditor } from "./editor.js";
import { createTagField } from "./tag-field.js";

const form = $("#post-form");
const title = $("#title");
const MIN_BODY = 220;
let kept;
const save = () => kept?.save();
const tags = createTagField(form, save);
const problem = createEditor($("#problem-details"), "", save);
const results = createEditor($("#problem-results"), "", save);
title.addEventListener("input", save);

const steps = [...form.querySelectorAll(".box")];
const lock = (step, locked) => {
  step.classList.toggle("js-overlay-enabled", locked);
  for (const field of step.querySelectorAll("input")) field.disabled = locked;
};
for (const editor of [problem, results]) editor.disable();
steps.slice(1).forEach((step) => lock(step, true));

function open(step) {
  lock(step, false);
  if (step.contains($("#problem-details"))) problem.enable();
  if (step.contains($("#problem-results"))) results.enable();
}

steps.forEach((step, index) => {
  $(".js-next-buttons", step)?.addEventListener("click", () => {
    const short = index === 0 && title.value.trim().length < 15;
    const message = $(".js-message", step);
    if (message) showMessage(message, short ? "Title must be at least 15 characters." : "");
    if (!short) open(steps[index + 1]);
  });
});

const body = () => [problem.content, results.content].filter(Boolean).join("\n\n");
const show = (draft) => {
  title.value = draft.title;
  [problem.content, results.content] = [draft.problem, draft.results];
  tags.show(draft.tags);
  // Steps that were reached once stay open.
  steps.slice(0, draft.reached).forEach(open);
};
kept = keepDraft(
  "wizard-draft",
  () => ({
    title: title.value,
    problem: problem.content,
    results: results.content,
    tags: tags.names(),
    reached: steps.filter((step) => !step.classList.contains("js-overlay-enabled")).length,
  }),
  show,
);

// For those who begin.
if (title.value === "") $("#welcome-modal").showModal();
$(".js-modal-primary-btn").addEventListener("click", () => $("#welcome-modal").close());
$(".js-review-question-button").addEventListener("click", () => ($("#submit-button").hidden = false));
$(".js-discard-question").addEventListener("click", () => {
  show({ title: "", problem: "", results: "", tags: [], reached: 0 });
  title.dispatchEvent(new Event("input", { bubbles: true }));
  kept.forget();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const draft = { title: title.value, body: body(), tags: tags.names() };
  const errors = Object.values(findErrors(draft, MIN_BODY)).filter(Boolean);
  showMessage($("#form-message"), errors.join(" "));
  if (errors.length > 0) return;
  kept.forget();
  void post(form.action, draft);
});
