// Behaves like the ask page of 2026: draws itself from its state, mounts its editor late, searches for tags.
import {
  $,
  findErrors,
  judgedMs,
  keepDraft,
  knownTags,
  options,
  post,
  redrawInput,
  resolveSynonym,
  showMessage,
  unknownTags,
} from "./page.js";
import { createEditor } from "./editor.js";

const form = $("#question-form");
const title = $("#post-title-input");
const field = $("#text-input-container");
const input = () => $("#filterInput");
const chosen = input().parentElement;
const message = $(".js-tags-message");
const slot = $("#editor-container-question > div > div:nth-child(3)");
const delayMs = Number(options.get("slowly") ?? 0);
const keysOnly = options.has("keys-only");
const LOOKUP_MS = Number(options.get("search") ?? 60);

let [tags, body, editor, kept, drawing] = [[], "", null, undefined, false];
const read = () => ({ title: title.value, body, tags });

function mountEditor() {
  if (editor) return;
  slot.replaceChildren();
  editor = createEditor(slot, body, (text) => {
    body = text;
    kept.save();
  });
  editor.focus();
}
slot.addEventListener("click", mountEditor);

function createTagElement(tag) {
  const chip = document.createElement("span");
  chip.className = "s-tag";
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "s-tag--dismiss";
  remove.innerHTML = `<span class="v-visible-sr">Dismiss ${tag} tag</span><svg viewBox="0 0 14 14" width="14" height="14"><path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2"/></svg>`;
  remove.addEventListener("click", () => set(tags.filter((other) => other !== tag)));
  chip.append(document.createComment(""), " ", tag, " ", remove);
  return chip;
}

/** Draws every tag anew, as a framework may. */
function draw() {
  const chips = tags.map(createTagElement);
  if (options.has("redraw")) return redrawInput(input(), (fresh) => chosen.replaceChildren(...chips, fresh));
  chosen.querySelectorAll(".s-tag").forEach((chip) => chip.remove());
  input().before(...chips);
}

function set(next) {
  tags = next;
  drawing = true;
  draw();
  drawing = false;
  kept?.save();
}

function choose(typed) {
  const tag = judgedMs > 0 ? typed : resolveSynonym(typed);
  close();
  input().value = "";
  if (tags.includes(tag)) return;
  if (tags.length >= 5) return showMessage(message, "You can add up to 5 tags.");
  if (unknownTags.has(tag) && !judgedMs) return showMessage(message, `The tag '${tag}' does not exist.`);
  showMessage(message, "");
  const take = () => (set([...new Set([...tags, tag])]), options.has("refocus") && input().focus());
  if (delayMs > 0) setTimeout(take, delayMs);
  else take();
  if (judgedMs > 0) setTimeout(judge, delayMs + judgedMs, tag);
}

/** Judges a tag that is shown already: an unknown one is removed, a synonym replaced. */
function judge(tag) {
  if (!tags.includes(tag)) return;
  if (unknownTags.has(tag)) {
    set(tags.filter((other) => other !== tag));
    showMessage(message, `The tag '${tag}' does not exist.`);
  } else if (resolveSynonym(tag) !== tag) {
    set([...new Set(tags.map((other) => (other === tag ? resolveSynonym(tag) : other)))]);
  }
}

const close = () => $("#tag-searchResults")?.remove();

function offer(typed) {
  close();
  const text = typed.trim().toLowerCase();
  if (text === "" || typed !== input().value) return;
  const hits = new Set(knownTags.filter((tag) => tag.startsWith(text)));
  if (/^[a-z0-9+#.-]{1,35}$/.test(text) && !unknownTags.has(text)) hits.add(text);
  const results = document.createElement("div");
  results.id = "tag-searchResults";
  results.append(
    ...[...hits].map((tag) => {
      const hit = document.createElement("div");
      const name = document.createElement("span");
      name.textContent = tag;
      hit.className = "p4";
      hit.append(name, document.createElement("small"));
      if (!keysOnly) hit.addEventListener("click", () => choose(tag));
      hit.addEventListener("mousedown", (event) => event.preventDefault());
      return hit;
    }),
  );
  field.after(results);
}

field.addEventListener("input", () => {
  const typed = input().value;
  setTimeout(() => offer(typed), LOOKUP_MS);
});
field.addEventListener("keydown", (event) => {
  if (event.target !== input()) return;
  const typed = input().value.trim().toLowerCase();
  if (["Enter", " ", ",", ";"].includes(event.key) && typed !== "") {
    event.preventDefault();
    choose(typed);
  } else if (event.key === "Backspace" && input().value === "") set(tags.slice(0, -1));
});
field.addEventListener("focusout", ({ target }) => target === input() && !drawing && close());
field.addEventListener("click", () => input().focus());
title.addEventListener("input", () => kept.save());

const show = (draft) => {
  [title.value, body] = [draft.title, draft.body];
  if (editor) editor.content = body;
  else if (body) mountEditor();
  set(draft.tags);
};
kept = keepDraft("svelte-draft", read, show);

// The buttons are told apart by their text alone; reviewing makes the one that posts.
const [review] = [...form.querySelectorAll("button")].filter((button) => button.textContent.includes("Review"));
review.addEventListener("click", () => {
  review.innerHTML = options.has("staging") ? "<span>Submit to Staging Ground</span>" : " <span>Post your question</span> ";
  review.addEventListener("click", () => {
    const errors = Object.values(findErrors(read())).filter(Boolean);
    showMessage($(".js-form-message"), errors.join(" "));
    if (errors.length > 0) return;
    kept.forget();
    void post("/questions/ask/submit", read());
  });
}, { once: true });
$(".js-discard").addEventListener("click", () => {
  show({ title: "", body: "", tags: [] });
  title.dispatchEvent(new Event("input", { bubbles: true }));
  kept.forget();
});
