// Behaves like the site's tag field of 2019; our own code.
import { $, judgedMs, knownTags, options, redrawInput, resolveSynonym, showMessage, unknownTags } from "./page.js";

/** Makes the tag field in `form` work; calls `changed` at each change of its tags. */
export function createTagField(form, changed) {
  const field = $(".js-tag-editor", form);
  const chosen = field.firstElementChild;
  const hidden = $("#tagnames", form);
  const dropDown = $(".js-tag-suggestions", form);
  const message = $("#js-tagnames-validation-message", form);
  // How long it takes to make a tag of what was typed; whether a click into the field does so at all.
  const delayMs = Number(options.get("slowly") ?? 0);
  const keysOnly = options.has("keys-only");
  let tags = [];
  let drawing = false;

  const input = () => $(".js-tageditor-replacing", form);

  function set(next) {
    tags = next;
    hidden.value = tags.join(" ");
    drawing = true;
    draw();
    drawing = false;
    input().placeholder = tags.length > 0 ? "" : "e.g. (ajax css sql)";
    changed();
  }

  function draw() {
    if (options.has("redraw")) {
      redrawInput(input(), (fresh) => chosen.replaceChildren(...tags.map(createTagElement), fresh));
      return;
    }
    const chips = [...chosen.querySelectorAll(".s-tag.rendered-element")];
    const kept = new Map(chips.map((chip) => [chip.tag, chip]));
    for (const chip of chips) if (!tags.includes(chip.tag)) chip.remove();
    for (const tag of tags) if (!kept.has(tag)) chosen.insertBefore(createTagElement(tag), input());
    // In their order, without touching those that are in place.
    tags.forEach((tag, place) => {
      const drawn = chosen.querySelectorAll(".s-tag.rendered-element");
      if (drawn[place].tag !== tag) chosen.insertBefore([...drawn].find((chip) => chip.tag === tag), drawn[place]);
    });
  }

  /** Asks the site after each change, and shows its message. */
  async function validate(refused) {
    const answer = await fetch(`/posts/validate-tags?tags=${encodeURIComponent(tags.join(" "))}&refused=${refused}`);
    showMessage(message, await answer.text());
  }

  function createTagElement(name) {
    const chip = document.createElement("span");
    chip.className = "s-tag rendered-element";
    // Its text may be translated.
    chip.tag = name;
    chip.append(name);
    const remove = document.createElement("a");
    remove.className = "js-delete-tag s-tag--dismiss";
    remove.title = "Remove tag";
    remove.setAttribute("role", "button");
    remove.innerHTML =
      '<svg viewBox="0 0 14 14" width="14" height="14" class="svg-icon"><path d="M3 3l8 8M11 3l-8 8" stroke="currentColor" stroke-width="2"/></svg>';
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      set(tags.filter((other) => other !== name));
      void validate("");
    });
    chip.append(remove);
    return chip;
  }

  function commit() {
    const typed = input().value.split(/[\s,;]+/).map((name) => name.toLowerCase()).filter(Boolean);
    input().value = "";
    dropDown.hidden = true;
    if (typed.length === 0) return;
    let refused = "";
    const taken = [];
    for (const name of judgedMs > 0 ? typed : typed.map(resolveSynonym)) {
      if (tags.includes(name)) continue;
      if (tags.length + taken.length >= 5) showMessage(message, "Please enter no more than 5 tags.");
      else if (unknownTags.has(name) && !judgedMs) refused = name;
      else if (!/^[a-z0-9+#.-]{1,35}$/.test(name)) showMessage(message, `'${name}' is not a tag.`);
      else taken.push(name);
    }
    const take = () => (set([...new Set([...tags, ...taken])]), options.has("refocus") && input().focus());
    if (delayMs > 0 && taken.length > 0) setTimeout(take, delayMs);
    else take();
    if (judgedMs > 0) setTimeout(judge, delayMs + judgedMs, taken);
    void validate(refused);
  }

  /** Judges tags that are shown already: unknown ones are removed, synonyms replaced. */
  function judge(names) {
    const wrong = names.filter((name) => tags.includes(name) && (unknownTags.has(name) || resolveSynonym(name) !== name));
    if (wrong.length === 0) return;
    const kept = tags.filter((name) => !wrong.includes(name) || !unknownTags.has(name));
    set([...new Set(kept.map((name) => (wrong.includes(name) ? resolveSynonym(name) : name)))]);
    void validate(wrong.find((name) => unknownTags.has(name)) ?? "");
  }

  function suggest() {
    const hits = input().value ? knownTags.filter((name) => name.startsWith(input().value)) : [];
    dropDown.replaceChildren(
      ...hits.map((name) => {
        const hit = document.createElement("div");
        hit.className = "js-tag-suggestion p8";
        hit.textContent = name;
        hit.addEventListener("mousedown", (event) => {
          event.preventDefault();
          input().value = name;
          commit();
        });
        return hit;
      }),
    );
    dropDown.hidden = hits.length === 0;
  }

  field.addEventListener("keydown", (event) => {
    if (event.target !== input()) return;
    if (["Enter", " ", ",", ";"].includes(event.key) && input().value.trim() !== "") {
      event.preventDefault();
      commit();
    } else if (event.key === "Enter") event.preventDefault();
    else if (event.key === "Backspace" && input().value === "" && tags.length > 0) {
      // As on the real page: the last tag becomes text again.
      event.preventDefault();
      const last = tags.at(-1);
      set(tags.slice(0, -1));
      input().value = last;
    }
  });
  field.addEventListener("input", suggest);
  field.addEventListener("focusout", () => drawing || commit());
  field.addEventListener("click", (event) => {
    if (event.target !== input() && !keysOnly) commit();
    input().focus();
  });

  return {
    names: () => [...tags],
    message,
    show(names) {
      input().value = "";
      set(names);
    },
  };
}
