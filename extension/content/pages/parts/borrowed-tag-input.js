/**
 * Types a tag into the page's tag field while the writer may be typing there too: ours is in the field only between two
 * of their keys, and their text, caret and focus are restored before the next one has its effect.
 */

import { AddedTag } from "./added-tag.js";
import { getFocusedElement, pressKey, restoreText, saveFocus, saveText, setValue } from "./simulate-input.js";
import { findTagElement, readTagNames } from "./tag-list.js";
import { COMMIT_KEYS, typing } from "./watch.js";

/** @typedef {import("./tag-list.js").TagList} TagList */
/** @typedef {import("./simulate-input.js").InputText} InputText */

/**
 * @typedef {object} TagField
 * @property {TagList} list
 * @property {() => HTMLInputElement | null} getInput  as it is now: a page may draw it anew
 * @property {string} dropDown  selector of the page's own list of tags
 * @property {boolean} [closesOnBlur]  whether that list closes when the field loses the focus
 */

const WRITER_EVENTS = ["keydown", "beforeinput", "input", "paste", "drop", "pointerdown", "compositionstart", "click"];
const POLL_MS = 50;
const THROTTLED_POLL_MS = 200;
/** A writer who has not typed for so long, or is elsewhere, does not mind a tag in the field for a moment. */
const PAUSE_MS = 600;
/** The page may still ask its server about a tag that it shows, and then draw the field anew. */
const LINGER_MS = 1500;
const REMOVAL_MS = 3500;
/** Longer than any pause in a composition that is not forgotten. */
const MAX_PAUSE_MS = 10_000;

/** @type {BorrowedTagInput | undefined} */
let last;

export class BorrowedTagInput {
  #field;
  #tag;
  #added;
  /** @type {InputText | null} what the writer has in the field; null: the page is about to take it */
  #text = null;
  /** Whether our tag is in the field, in place of the writer's text. */
  #typed = false;
  /** Whether what happens now is simulated by us. */
  #simulating = false;
  /** Whether what happens now is the writer's doing. */
  #writerActs = false;
  /** Whether the page still believes that its input has the focus. */
  #owesBlur = false;
  /** Whether the writer's focus is in the field. */
  #inField;
  #lastWriterEvent = -Infinity;
  /** @type {HTMLInputElement | null} the page's input when last looked at */
  #input;
  /** Restores the focus to where the writer was last. */
  #restoreFocus = saveFocus();
  /** @type {(() => void) | null} the same, from before the page took the focus */
  #restoreTakenFocus = null;
  #observer = new MutationObserver(() => this.#check());
  #lifetime = new AbortController();

  /** @param {TagField} field @param {string} tag */
  constructor(field, tag) {
    last?.dispose();
    last = this;
    this.#field = field;
    this.#tag = tag;
    this.#input = field.getInput();
    this.#added = new AddedTag(tag, readTagNames(field.list));
    if (this.#input) this.#text = saveText(this.#input);
    this.#inField = getFocusedElement() === this.#input;
    const options = { capture: true, signal: this.#lifetime.signal };
    for (const type of WRITER_EVENTS) {
      addEventListener(type, (event) => event.isTrusted && this.#onWriterEvent(event), options);
    }
    addEventListener("focusin", (event) => this.#onFocusIn(event), options);
    for (const type of ["focusout", "blur"]) {
      addEventListener(type, (event) => this.#onFocusOut(/** @type {FocusEvent} */ (event)), options);
    }
    this.#observer.observe(field.list.root, { childList: true, subtree: true, characterData: true });
  }

  /** Whether our tag is still in the field: the writer may have typed on. */
  get isTyped() {
    return this.#typed;
  }

  /** Whether the page has taken our tag out of its input. */
  get isConsumed() {
    return this.#added.consumed;
  }

  /**
   * Type the tag into the field and do something about it, all in one task: no key can fall in between.
   *
   * @param {(input: HTMLInputElement) => void} [gesture]
   */
  type(gesture) {
    const input = this.#field.getInput();
    if (!input) return;
    if (!this.#typed) this.#text = saveText(input);
    this.#typed = true;
    this.#added.consumed = false;
    this.withFocus(() => {
      input.focus({ preventScroll: true });
      if (input.value !== this.#tag) setValue(input, this.#tag);
      gesture?.(input);
    });
  }

  /** Press a key in the field, with our tag in it. @param {" " | "Enter"} key */
  press(key) {
    this.type((input) => pressKey(input, key));
  }

  /** Leave the field with our tag in it, as a page may wait for. */
  blur() {
    this.type((input) => {
      this.#owesBlur = true;
      this.#dispatchBlur(input);
    });
  }

  /** Do something to the page that may take the focus, and give it back. @param {() => void} act */
  withFocus(act) {
    this.#inField = getFocusedElement() === this.#field.getInput();
    const restore = saveFocus();
    this.#simulate(() => {
      act();
      if (!this.#inField) restore();
    });
    this.#check();
  }

  /** @param {() => void} act  not the writer's doing */
  #simulate(act) {
    const before = this.#simulating;
    this.#simulating = typing.simulated = true;
    try {
      act();
    } finally {
      this.#simulating = typing.simulated = before;
    }
  }

  /** Return the name under which the page shows our tag, or null: see `AddedTag.find`. */
  findShownTag() {
    const typed = (this.#typed ? this.#text : this.#field.getInput())?.value ?? "";
    return this.#added.find(readTagNames(this.#field.list), typed);
  }

  /** Whether the condition comes true in time. @param {() => boolean} condition @param {number} patience  ms */
  waitUntil(condition, patience) {
    const end = performance.now() + patience;
    // Browsers throttle timers in background tabs, the page's as much as ours: so a number of polls counts, too.
    let looks = patience / THROTTLED_POLL_MS;
    return new Promise((resolve) => {
      const look = () => {
        this.#check();
        if (condition()) return resolve(true);
        looks -= 1;
        if ((performance.now() >= end && looks <= 0) || this.#lifetime.signal.aborted) return resolve(false);
        setTimeout(look, POLL_MS);
      };
      look();
    });
  }

  /** Wait for the page's answer; longer, if it has yet to answer to the writer as well. @param {number} patience  ms */
  async waitForNewTag(patience) {
    const isShown = () => this.findShownTag() !== null;
    if (await this.waitUntil(isShown, patience)) return;
    if (this.#added.findSubstitute(readTagNames(this.#field.list)) !== null) await this.waitUntil(isShown, patience);
  }

  /** Wait until the writer pauses in the field, or is elsewhere. */
  async waitForPause() {
    const isTyping = () =>
      typing.composing ||
      (getFocusedElement() === this.#field.getInput() && performance.now() - this.#lastWriterEvent < PAUSE_MS);
    await this.waitUntil(() => !isTyping(), MAX_PAUSE_MS);
  }

  /** Leave the field to the writer; for a moment more, what the page takes from them is restored. */
  giveBack() {
    this.#restoreField();
    setTimeout(() => this.dispose(), LINGER_MS);
  }

  dispose() {
    this.#restoreField();
    this.#lifetime.abort();
    this.#observer.disconnect();
  }

  /** The writer did something, somewhere. @param {Event} event */
  #onWriterEvent(event) {
    this.#writerActs = true;
    setTimeout(() => (this.#writerActs = false));
    const input = this.#field.getInput();
    const { target } = event;
    if (!input || !(target instanceof Element) || target.closest("[data-tagalong]")) return;
    if (target.closest(this.#field.dropDown)) this.#added.dropDownUsed = true;
    if (target !== input && getFocusedElement() !== input) return;
    // Before the key takes effect: it belongs in the writer's own text.
    if (this.#typed) this.#restoreField();
    this.#lastWriterEvent = performance.now();
    const commits = event instanceof KeyboardEvent && COMMIT_KEYS.has(event.key) && !event.isComposing;
    this.#saveTextLater(input, commits || target !== input);
  }

  /** @param {HTMLInputElement} input @param {boolean} commits  whether the page may make a tag of what is typed */
  #saveTextLater(input, commits) {
    if (commits) this.#text = null;
    setTimeout(() => {
      if (!this.#typed && !(commits && input.value !== "")) this.#text = saveText(input);
    });
  }

  /** @param {FocusEvent} event */
  #onFocusIn({ target }) {
    const input = this.#field.getInput();
    if (this.#simulating) return;
    const wasInField = this.#inField;
    this.#inField = target === input;
    if (target !== input) return;
    if (this.#typed) this.#restoreField();
    // Focused by the page, not by the writer: if a tag comes with it, the focus is given back.
    if (!this.#writerActs && !wasInField) this.#restoreTakenFocus = this.#restoreFocus;
    setTimeout(() => (this.#restoreTakenFocus = null));
  }

  /** @param {FocusEvent} event */
  #onFocusOut(event) {
    const input = this.#field.getInput();
    if (this.#simulating) {
      if (!this.#field.closesOnBlur || event.target !== input || !this.#typed) return;
      // The page's drop-down would close.
      event.stopImmediatePropagation();
      this.#owesBlur = true;
    } else if (event.type === "focusout" && event.isTrusted) {
      this.#restoreFocus = saveFocus(/** @type {Element} */ (event.composedPath()[0]));
      // An input that is drawn anew loses the focus without the writer's going anywhere.
      if (!input || event.target !== input || (!this.#writerActs && event.relatedTarget === null)) return;
      this.#inField = false;
      if (!this.#typed) this.#saveTextLater(input, true);
    }
  }

  /** See what the page has done, and restore what it took from the writer. */
  #check() {
    const input = this.#field.getInput();
    if (!input || this.#simulating) return;
    const redrawn = input !== this.#input;
    const answered = this.#added.update(readTagNames(this.#field.list));
    this.#input = input;
    this.#simulate(() => {
      if (redrawn && this.#inField && getFocusedElement() === null) input.focus({ preventScroll: true });
      if (answered) this.#restoreTakenFocus?.();
    });
    if (this.#typed && input.value !== this.#tag) this.#added.consumed = true;
    this.#added.excludeShownTags();
    if (this.#typed && this.isConsumed) {
      this.#restoreField();
    } else if (!this.#typed && !this.#writerActs && (redrawn || answered) && input.value === "" && this.#text?.value) {
      restoreText(input, this.#text);
    }
  }

  /** Put the writer's text into the field again, in place of our tag. */
  #restoreField() {
    if (!this.#typed) return;
    this.#typed = false;
    const input = this.#field.getInput();
    if (!input) return;
    if (input.value === this.#tag && this.#text?.value !== this.#tag) setValue(input, "");
    // Before the writer's text is there again: on leaving, the page would make a tag of it.
    if (getFocusedElement() !== input) this.#dispatchBlur(input);
    if (this.#text) restoreText(input, this.#text);
  }

  /** @param {HTMLInputElement} input */
  #dispatchBlur(input) {
    if (!this.#owesBlur) return;
    this.#owesBlur = false;
    this.#simulate(() => {
      input.dispatchEvent(new FocusEvent("blur"));
      input.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    });
  }
}

/**
 * Remove a tag by the page's own button.
 *
 * @param {TagField} field
 * @param {string} tag
 * @returns {Promise<boolean>} true once it is gone
 */
export async function removeTag(field, tag) {
  const input = new BorrowedTagInput(field, tag);
  const button = findTagElement(field.list, tag)?.querySelector(field.list.removeButton);
  if (button instanceof HTMLElement) input.withFocus(() => button.click());
  const gone = await input.waitUntil(() => !readTagNames(field.list).includes(tag), REMOVAL_MS);
  input.giveBack();
  return gone;
}
