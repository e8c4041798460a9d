/** The classic ask page, 2019 to now: one form with a Markdown textarea and the jQuery tag editor. */

/** @typedef {import("./contract.js").Page} Page */

const PATIENCE_MS = 1000;

/** @param {Document} document @returns {Page | null} */
export function find(document) {
  const form = document.querySelector("form#post-form");
  const title = form?.querySelector("#title");
  // By id: `.js-post-body-field` exists once more, for the answer to one's own question.
  const body = form?.querySelector("textarea#wmd-input");
  const block = form?.querySelector("#tag-editor");
  const editor = block?.querySelector(".js-tag-editor");
  const input = block?.querySelector("input#tageditor-replacing-tagnames--input");
  return form instanceof HTMLFormElement &&
    (title instanceof HTMLInputElement || title instanceof HTMLTextAreaElement) &&
    body instanceof HTMLTextAreaElement &&
    block instanceof HTMLElement &&
    editor instanceof HTMLElement &&
    input instanceof HTMLInputElement
    ? pageOf({ form, title, body, block, editor, input })
    : null;
}

/**
 * @typedef {object} Parts
 * @property {HTMLFormElement} form
 * @property {HTMLInputElement | HTMLTextAreaElement} title
 * @property {HTMLTextAreaElement} body
 * @property {HTMLElement} block  label, tag editor, drop-down and messages
 * @property {HTMLElement} editor  chosen tags, and the input
 * @property {HTMLInputElement} input
 */

/** @param {Parts} parts @returns {Page} */
function pageOf({ form, title, body, block, editor, input }) {
  const chips = () => Array.from(editor.querySelectorAll(".s-tag.rendered-element"));
  const readTags = () => chips().map(nameOf).filter((name) => name !== "");
  const has = (/** @type {string} */ tag) => readTags().includes(tag);
  const until = (/** @type {() => boolean} */ condition) => seen(block, condition);

  /** @param {string} tag */
  async function addTag(tag) {
    if (has(tag)) return true;
    const [halfTyped, focused] = [input.value, focusedElement()];
    input.focus({ preventScroll: true });
    type(input, tag);
    editor.click();
    let taken = await until(() => has(tag));
    for (const key of [" ", "Enter"]) {
      if (taken) break;
      if (input.value !== tag) type(input, tag);
      press(input, key);
      taken = await until(() => has(tag));
    }
    if (input.value !== "") type(input, "");
    // Focus first: on leaving, the page would make a tag of half-typed text.
    if (focused instanceof HTMLElement && focused !== input) focused.focus({ preventScroll: true });
    if (halfTyped !== "") type(input, halfTyped);
    return taken;
  }

  /** @param {string} tag */
  async function removeTag(tag) {
    const remove = chips().find((chip) => nameOf(chip) === tag)?.querySelector(".js-delete-tag");
    if (remove instanceof HTMLElement) remove.click();
    return until(() => !has(tag));
  }

  return {
    generation: "classic",
    kind: "ask",
    root: form,
    mostTags: 5,
    readDraft: () => ({ title: title.value, body: body.value, body_format: "markdown" }),
    readTags,
    addTag,
    removeTag,
    place(host) {
      if (host.parentElement !== block) block.append(host);
    },
    focusTags: () => input.focus(),
    observe({ changed, posting, withdrawn }, signal) {
      form.addEventListener("input", changed, { capture: true, signal });
      const observer = new MutationObserver(changed);
      observer.observe(editor, { childList: true, subtree: true, characterData: true });
      // The toolbar changes the body without an input event, but never without its preview.
      const preview = form.querySelector(".js-wmd-preview");
      if (preview) observer.observe(preview, { childList: true, subtree: true, characterData: true });
      signal.addEventListener("abort", () => observer.disconnect());

      let submitted = false;
      form.addEventListener("submit", () => ((submitted = true), posting()), { capture: true, signal });
      const wentOn = (/** @type {Event} */ event) => {
        // Only a person goes on: the page's own scripts tidy fields while they post.
        if (!submitted || !event.isTrusted) return;
        if (event.type === "click" && !leavesBy(event)) return;
        submitted = false;
        withdrawn();
      };
      form.addEventListener("input", wentOn, { capture: true, signal });
      document.addEventListener("click", wentOn, { capture: true, signal });
    },
  };
}

/** A chosen tag's name is its first text node; what follows is its delete link. @param {Element} chip */
function nameOf(chip) {
  const text = Array.from(chip.childNodes).find((node) => node.nodeType === Node.TEXT_NODE);
  return (text?.textContent ?? "").trim();
}

/** The element with the keyboard, also inside a shadow root. */
function focusedElement() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

/**
 * Sets an input's value so that the page notices: by the native setter, which no framework has replaced.
 *
 * @param {HTMLInputElement} input
 * @param {string} value
 */
function type(input, value) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, value);
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/** @param {HTMLElement} element @param {string} key  " " or "Enter" */
function press(element, key) {
  const keyCode = key === " " ? 32 : 13;
  const init = { key, code: key === " " ? "Space" : key, keyCode, which: keyCode, bubbles: true, cancelable: true };
  for (const type of ["keydown", "keyup"]) element.dispatchEvent(new KeyboardEvent(type, init));
}

/**
 * Whether the condition comes true within a second of changes in `root`.
 *
 * @param {Element} root
 * @param {() => boolean} condition
 * @returns {Promise<boolean>}
 */
function seen(root, condition) {
  if (condition()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (/** @type {boolean} */ result) => {
      observer.disconnect();
      clearTimeout(timer);
      resolve(result);
    };
    const observer = new MutationObserver(() => condition() && end(true));
    observer.observe(root, { childList: true, subtree: true, characterData: true });
    const timer = setTimeout(() => end(condition()), PATIENCE_MS);
  });
}

/** Whether a click leads this tab to another page, by a link. @param {Event} event */
function leavesBy(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  return link instanceof HTMLAnchorElement && link.target !== "_blank" && !link.href.includes("#");
}
