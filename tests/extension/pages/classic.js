// Behaves like the classic ask page: its tag editor, its validation, its posting. Own code, after its manners.
"use strict";
{
  const $ = (selector) => document.querySelector(selector);
  const form = $("#post-form");
  const title = $("#title");
  const body = $("#wmd-input");
  const editor = $("#tag-editor .js-tag-editor");
  const chosen = editor.firstElementChild;
  const input = $("#tageditor-replacing-tagnames--input");
  const hidden = $("#tagnames");
  const dropDown = $(".js-tag-suggestions");
  const tagMessage = $("#js-tagnames-validation-message");
  const options = new URLSearchParams(location.search);
  // Tags that this page does not know, and so refuses; how slowly it makes a tag of what was typed.
  const unknown = new Set((options.get("unknown") ?? "").split(",").filter(Boolean));
  const slowly = Number(options.get("slowly") ?? 0);
  const keysOnly = options.has("keys-only");
  const known = ["python", "pandas", "dataframe", "numpy", "javascript", "java", "join", "merge", "postgresql"];

  const names = () => [...chosen.querySelectorAll(".s-tag.rendered-element")].map((tag) => tag.firstChild.data);
  const tell = (element, text) => {
    element.textContent = text;
    element.hidden = text === "";
  };
  const keep = () => {
    hidden.value = names().join(" ");
    input.placeholder = hidden.value ? "" : "e.g. (ajax css sql)";
    save();
  };

  function render(name) {
    const tag = document.createElement("span");
    tag.className = "s-tag rendered-element";
    tag.append(name);
    const remove = document.createElement("a");
    remove.className = "js-delete-tag s-tag--dismiss";
    remove.title = "Remove tag";
    remove.setAttribute("role", "button");
    remove.innerHTML = '<svg viewBox="0 0 14 14" width="12" height="12"><path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2"/></svg>';
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      tag.remove();
      tell(tagMessage, "");
      keep();
    });
    tag.append(remove);
    chosen.insertBefore(tag, input);
  }

  function commit() {
    const typed = input.value.split(/[\s,;]+/).map((name) => name.toLowerCase()).filter(Boolean);
    input.value = "";
    dropDown.hidden = true;
    for (const name of typed) {
      if (names().includes(name)) continue;
      if (names().length >= 5) tell(tagMessage, "Please enter no more than 5 tags.");
      else if (unknown.has(name)) tell(tagMessage, `Creating the new tag '${name}' requires at least 1500 reputation.`);
      else if (!/^[a-z0-9+#.-]{1,35}$/.test(name)) tell(tagMessage, `'${name}' is not a tag.`);
      else if (slowly > 0) setTimeout(() => (render(name), keep()), slowly);
      else render(name);
    }
    keep();
  }

  input.addEventListener("keydown", (event) => {
    if (["Enter", " ", ",", ";"].includes(event.key) && input.value.trim() !== "") {
      event.preventDefault();
      commit();
    } else if (event.key === "Enter") event.preventDefault();
    else if (event.key === "Backspace" && input.value === "" && names().length > 0) {
      // As on the real page: the last tag becomes text again.
      event.preventDefault();
      const last = [...chosen.querySelectorAll(".s-tag")].at(-1);
      input.value = last.firstChild.data;
      last.remove();
      keep();
    }
  });
  input.addEventListener("input", () => {
    const hits = input.value ? known.filter((name) => name.startsWith(input.value)) : [];
    dropDown.replaceChildren(
      ...hits.map((name) => {
        const hit = document.createElement("div");
        hit.className = "js-tag-suggestion";
        hit.textContent = name;
        hit.addEventListener("mousedown", (event) => {
          event.preventDefault();
          input.value = name;
          commit();
        });
        return hit;
      }),
    );
    dropDown.hidden = hits.length === 0;
  });
  input.addEventListener("blur", () => commit());
  editor.addEventListener("click", (event) => {
    if (event.target !== input && !keysOnly) commit();
    input.focus();
  });

  const preview = () => ($("#wmd-preview").textContent = body.value);
  body.addEventListener("input", () => (preview(), save()));
  title.addEventListener("input", () => save());
  // The toolbar changes the text by script: no input event, only the preview follows.
  const wrap = (mark) => {
    body.setRangeText(mark + body.value.slice(body.selectionStart, body.selectionEnd) + mark);
    preview();
  };
  $("#wmd-bold-button").addEventListener("click", () => wrap("**"));
  $("#wmd-code-button").addEventListener("click", () => wrap("`"));

  const KEPT = "classic-draft";
  function save() {
    localStorage.setItem(KEPT, JSON.stringify({ title: title.value, body: body.value, tags: names() }));
  }
  function restore() {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (!kept || options.has("fresh")) return;
    title.value = kept.title;
    body.value = kept.body;
    preview();
    kept.tags.forEach(render);
    hidden.value = kept.tags.join(" ");
  }

  $(".js-begin-review-button").addEventListener("click", () => tell($("#form-message"), ""));
  $(".js-discard-question").addEventListener("click", () => {
    title.value = body.value = input.value = "";
    chosen.querySelectorAll(".s-tag").forEach((tag) => tag.remove());
    preview();
    keep();
    title.dispatchEvent(new Event("input", { bubbles: true }));
    localStorage.removeItem(KEPT);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell($("#form-message"), "");
    tell($("#title-message"), title.value.trim().length < 15 ? "Title must be at least 15 characters." : "");
    tell($("#body-message"), body.value.trim().length < 30 ? "Body must be at least 30 characters." : "");
    tell(tagMessage, names().length === 0 ? "Please enter at least one tag." : "");
    const bad = [...document.querySelectorAll(".s-input-message")].some((message) => !message.hidden);
    tell($("#form-message"), bad ? "Your question couldn't be submitted. Please see the errors above." : "");
    if (bad) return;
    localStorage.removeItem(KEPT);
    const number = options.get("number") ?? "79000001";
    fetch(form.action, { method: "POST", body: new FormData(form) }).then(
      () => (location.href = `/questions/${number}/how-do-i-merge`),
    );
  });

  if (options.has("late")) setTimeout(restore, 300);
  else restore();
}
