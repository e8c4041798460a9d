// Behaves like the ask page of 2026: draws itself from its state, mounts its editor late, looks its tags up.
import { $, drawnAnew, faults, keeping, known, late, mainTag, options, post, tell, unknown } from "./page.js";
import { editorIn } from "./editor.js";

const form = $("#question-form");
const title = $("#post-title-input");
const field = $("#text-input-container");
const input = () => $("#filterInput");
const chosen = input().parentElement;
const message = $(".js-tags-message");
const slot = $("#editor-container-question > div > div:nth-child(3)");
const slowly = Number(options.get("slowly") ?? 0);
const keysOnly = options.has("keys-only");
const LOOKUP_MS = Number(options.get("search") ?? 60);

let [tags, body, editor, kept, drawing] = [[], "", null, undefined, false];
const read = () => ({ title: title.value, body, tags });

function mountEditor() {
  if (editor) return;
  slot.replaceChildren();
  editor = editorIn(slot, body, (text) => {
    body = text;
    kept.save();
  });
  editor.focus();
}
slot.addEventListener("click", mountEditor);

function chipOf(tag) {
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

/** Draws every chip anew, as a framework may. */
function draw() {
  const chips = tags.map(chipOf);
  if (options.has("redraw")) return drawnAnew(input(), (fresh) => chosen.replaceChildren(...chips, fresh));
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
  const tag = late > 0 ? typed : mainTag(typed);
  close();
  input().value = "";
  if (tags.includes(tag)) return;
  if (tags.length >= 5) return tell(message, "You can add up to 5 tags.");
  if (unknown.has(tag) && !late) return tell(message, `The tag '${tag}' does not exist.`);
  tell(message, "");
  const take = () => (set([...new Set([...tags, tag])]), options.has("refocus") && input().focus());
  if (slowly > 0) setTimeout(take, slowly);
  else take();
  if (late > 0) setTimeout(judge, slowly + late, tag);
}

/** What the site says of a tag that is there already: it is unknown, or has another name. */
function judge(tag) {
  if (!tags.includes(tag)) return;
  if (unknown.has(tag)) {
    set(tags.filter((other) => other !== tag));
    tell(message, `The tag '${tag}' does not exist.`);
  } else if (mainTag(tag) !== tag) set([...new Set(tags.map((other) => (other === tag ? mainTag(tag) : other)))]);
}

const close = () => $("#tag-searchResults")?.remove();

function offer(typed) {
  close();
  const text = typed.trim().toLowerCase();
  if (text === "" || typed !== input().value) return;
  const hits = new Set(known.filter((tag) => tag.startsWith(text)));
  if (/^[a-z0-9+#.-]{1,35}$/.test(text) && !unknown.has(text)) hits.add(text);
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
kept = keeping("svelte-draft", read, show);

// The buttons are told apart by their text alone; reviewing makes the one that posts.
const [review] = [...form.querySelectorAll("button")].filter((button) => button.textContent.includes("Review"));
review.addEventListener("click", () => {
  review.innerHTML = options.has("staging") ? "<span>Submit to Staging Ground</span>" : " <span>Post your question</span> ";
  review.addEventListener("click", () => {
    const wrong = Object.values(faults(read())).filter(Boolean);
    tell($(".js-form-message"), wrong.join(" "));
    if (wrong.length > 0) return;
    kept.forget();
    void post("/questions/ask/submit", read());
  });
}, { once: true });
$(".js-discard").addEventListener("click", () => {
  show({ title: "", body: "", tags: [] });
  title.dispatchEvent(new Event("input", { bubbles: true }));
  kept.forget();
});
