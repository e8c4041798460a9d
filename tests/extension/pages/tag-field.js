// Behaves like the site's tag field of 2019. Own code, after its manners.
import { $, known, mainTag, options, tell, unknown } from "./page.js";

/** Makes the tag field in `form` work; `changed` is called whenever its tags have changed. */
export function tagField(form, changed) {
  const field = $(".js-tag-editor", form);
  const chosen = field.firstElementChild;
  const input = $(".js-tageditor-replacing", form);
  const hidden = $("#tagnames", form);
  const dropDown = $(".js-tag-suggestions", form);
  const message = $("#js-tagnames-validation-message", form);
  // How slowly it makes a tag of what was typed; whether a click into the field does so at all.
  const slowly = Number(options.get("slowly") ?? 0);
  const keysOnly = options.has("keys-only");

  const chips = () => [...chosen.querySelectorAll(".s-tag.rendered-element")];
  /** What each chip stands for: its text may be translated. */
  const tagOf = new WeakMap();
  const names = () => chips().map((chip) => tagOf.get(chip));

  function keep() {
    hidden.value = names().join(" ");
    input.placeholder = hidden.value ? "" : "e.g. (ajax css sql)";
    changed();
  }

  /** After each change the site is asked, and may have something to say. */
  async function validate(refused) {
    const answer = await fetch(`/posts/validate-tags?tags=${encodeURIComponent(names().join(" "))}&refused=${refused}`);
    tell(message, await answer.text());
  }

  function render(name) {
    const tag = document.createElement("span");
    tag.className = "s-tag rendered-element";
    tag.append(name);
    tagOf.set(tag, name);
    const remove = document.createElement("a");
    remove.className = "js-delete-tag s-tag--dismiss";
    remove.title = "Remove tag";
    remove.setAttribute("role", "button");
    remove.innerHTML =
      '<svg viewBox="0 0 14 14" width="14" height="14" class="svg-icon"><path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2"/></svg>';
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      tag.remove();
      keep();
      void validate("");
    });
    tag.append(remove);
    chosen.insertBefore(tag, input);
  }

  function commit() {
    const typed = input.value.split(/[\s,;]+/).map((name) => name.toLowerCase()).filter(Boolean);
    input.value = "";
    dropDown.hidden = true;
    if (typed.length === 0) return;
    let refused = "";
    for (const name of typed.map(mainTag)) {
      if (names().includes(name)) continue;
      if (names().length >= 5) tell(message, "Please enter no more than 5 tags.");
      else if (unknown.has(name)) refused = name;
      else if (!/^[a-z0-9+#.-]{1,35}$/.test(name)) tell(message, `'${name}' is not a tag.`);
      else if (slowly > 0) setTimeout(() => (render(name), keep()), slowly);
      else render(name);
    }
    keep();
    void validate(refused);
  }

  input.addEventListener("keydown", (event) => {
    if (["Enter", " ", ",", ";"].includes(event.key) && input.value.trim() !== "") {
      event.preventDefault();
      commit();
    } else if (event.key === "Enter") event.preventDefault();
    else if (event.key === "Backspace" && input.value === "" && names().length > 0) {
      // As on the real page: the last tag becomes text again.
      event.preventDefault();
      const last = chips().at(-1);
      input.value = tagOf.get(last);
      last.remove();
      keep();
    }
  });
  input.addEventListener("input", () => {
    const hits = input.value ? known.filter((name) => name.startsWith(input.value)) : [];
    dropDown.replaceChildren(
      ...hits.map((name) => {
        const hit = document.createElement("div");
        hit.className = "js-tag-suggestion p8";
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
  input.addEventListener("blur", commit);
  field.addEventListener("click", (event) => {
    if (event.target !== input && !keysOnly) commit();
    input.focus();
  });

  return {
    names,
    message,
    show(tags) {
      chips().forEach((chip) => chip.remove());
      tags.forEach(render);
      input.value = "";
      keep();
    },
  };
}
