// Behaves like the site's tag field of 2019. Own code, after its manners.
import { $, drawnAnew, known, late, mainTag, options, tell, unknown } from "./page.js";

/** Makes the tag field in `form` work; `changed` is called whenever its tags have changed. */
export function tagField(form, changed) {
  const field = $(".js-tag-editor", form);
  const chosen = field.firstElementChild;
  const hidden = $("#tagnames", form);
  const dropDown = $(".js-tag-suggestions", form);
  const message = $("#js-tagnames-validation-message", form);
  // How slowly it makes a tag of what was typed; whether a click into the field does so at all.
  const slowly = Number(options.get("slowly") ?? 0);
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
      drawnAnew(input(), (fresh) => chosen.replaceChildren(...tags.map(chipOf), fresh));
      return;
    }
    const chips = [...chosen.querySelectorAll(".s-tag.rendered-element")];
    const kept = new Map(chips.map((chip) => [chip.tag, chip]));
    for (const chip of chips) if (!tags.includes(chip.tag)) chip.remove();
    for (const tag of tags) if (!kept.has(tag)) chosen.insertBefore(chipOf(tag), input());
    // In their order, and none is touched that stands right.
    tags.forEach((tag, place) => {
      const drawn = chosen.querySelectorAll(".s-tag.rendered-element");
      if (drawn[place].tag !== tag) chosen.insertBefore([...drawn].find((chip) => chip.tag === tag), drawn[place]);
    });
  }

  /** After each change the site is asked, and may have something to say. */
  async function validate(refused) {
    const answer = await fetch(`/posts/validate-tags?tags=${encodeURIComponent(tags.join(" "))}&refused=${refused}`);
    tell(message, await answer.text());
  }

  function chipOf(name) {
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
    for (const name of late > 0 ? typed : typed.map(mainTag)) {
      if (tags.includes(name)) continue;
      if (tags.length + taken.length >= 5) tell(message, "Please enter no more than 5 tags.");
      else if (unknown.has(name) && !late) refused = name;
      else if (!/^[a-z0-9+#.-]{1,35}$/.test(name)) tell(message, `'${name}' is not a tag.`);
      else taken.push(name);
    }
    const take = () => (set([...new Set([...tags, ...taken])]), options.has("refocus") && input().focus());
    if (slowly > 0 && taken.length > 0) setTimeout(take, slowly);
    else take();
    if (late > 0) setTimeout(judge, slowly + late, taken);
    void validate(refused);
  }

  /** What the site says of tags that are there already: one is unknown, one has another name. */
  function judge(names) {
    const wrong = names.filter((name) => tags.includes(name) && (unknown.has(name) || mainTag(name) !== name));
    if (wrong.length === 0) return;
    const kept = tags.filter((name) => !wrong.includes(name) || !unknown.has(name));
    set([...new Set(kept.map((name) => (wrong.includes(name) ? mainTag(name) : name)))]);
    void validate(wrong.find((name) => unknown.has(name)) ?? "");
  }

  function suggest() {
    const hits = input().value ? known.filter((name) => name.startsWith(input().value)) : [];
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
