// Behaves like the ask wizard: a dialog first, then step after step, each locked until "Next" of the one before.
import { $, faults, keeping, post, tell } from "./page.js";
import { editorIn } from "./editor.js";
import { tagField } from "./tag-field.js";

const form = $("#post-form");
const title = $("#title");
const SHORTEST_BODY = 220;
let kept;
const save = () => kept?.save();
const tags = tagField(form, save);
const problem = editorIn($("#problem-details"), "", save);
const results = editorIn($("#problem-results"), "", save);
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
    if (message) tell(message, short ? "Title must be at least 15 characters." : "");
    if (!short) open(steps[index + 1]);
  });
});

const body = () => [problem.content, results.content].filter(Boolean).join("\n\n");
const show = (draft) => {
  title.value = draft.title;
  [problem.content, results.content] = [draft.problem, draft.results];
  tags.show(draft.tags);
  // What was reached once stays open.
  steps.slice(0, draft.reached).forEach(open);
};
kept = keeping(
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

// To those who begin.
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
  const wrong = Object.values(faults(draft, SHORTEST_BODY)).filter(Boolean);
  tell($("#form-message"), wrong.join(" "));
  if (wrong.length > 0) return;
  kept.forget();
  void post(form.action, draft);
});
