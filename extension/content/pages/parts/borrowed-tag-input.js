/** The page's tag field, shared with its writer: we use it between two of their keys, and what is theirs stays so. */

import { chipOf, namesOf, replacements } from "./tag-list.js";
import { focusedElement, press, putText, rememberPlace, textOf, type } from "./simulate-input.js";
import { COMMITS, hands } from "./watch.js";

/** @typedef {import("./tag-list.js").Chosen} Chosen */
/** @typedef {import("./simulate-input.js").Text} Text */

/**
 * @typedef {object} TagField
 * @property {Chosen} chosen
 * @property {() => HTMLInputElement | null} input  as it is now: a page may draw it anew
 * @property {string} hits  selector of the page's own list of tags
 * @property {boolean} [closes]  whether that list closes when the keyboard leaves the field
 */

const ACTS = ["keydown", "beforeinput", "input", "paste", "drop", "pointerdown", "compositionstart", "click"];
const POLL_MS = 50;
const SLOWED_POLL_MS = 200;
/** Who has not typed for so long, or is elsewhere, does not mind a tag in the field for a moment. */
const PAUSE_MS = 600;
/** The page may still ask its server about a tag that it shows, and then draw the field anew. */
const LINGERS_MS = 1500;
const REMOVAL_MS = 3500;
/** Longer than any pause in a composition that is not forgotten. */
const LONGEST_PAUSE_MS = 10_000;
/** A page has answered by then to what was typed before. */
const TYPED_MS = 10_000;

/** @type {SharedField | undefined} */
let last;

export class SharedField {
  #field;
  #tag;
  /** @type {string[]} tags that cannot stand for ours: those that were there before the page took it */
  #before;
  /** The name under which the page showed our tag last. */
  #seen = "";
  #began = performance.now();
  /** Whether the writer used the page's own list of tags, which may add any. */
  #pointed = false;
  /** @type {Text | null} what the writer has in the field; null: the page is about to take it */
  #text = null;
  /** Whether our tag is in the field, in place of the writer's text. */
  #ours = false;
  /** Whether what happens now is our doing. */
  #acting = false;
  /** Whether what happens now is the writer's doing. */
  #hand = false;
  /** Whether the page still believes that its input has the keyboard. */
  #owesBlur = false;
  /** Whether the writer's keyboard is in the field. */
  #inField;
  #touched = -Infinity;
  /** @type {HTMLInputElement | null} */
  #known;
  #names;
  #place = rememberPlace();
  /** @type {(() => void) | null} where the keyboard was before the page took it */
  #taken = null;
  #observer = new MutationObserver(() => this.#check());
  #life = new AbortController();

  /** Whether the page has taken our tag out of its input. */
  consumed = false;

  /** @param {TagField} field @param {string} tag */
  constructor(field, tag) {
    last?.stop();
    last = this;
    this.#field = field;
    this.#tag = tag;
    this.#known = field.input();
    this.#before = namesOf(field.chosen);
    this.#names = [...this.#before];
    if (this.#known) this.#text = textOf(this.#known);
    this.#inField = focusedElement() === this.#known;
    const options = { capture: true, signal: this.#life.signal };
    for (const name of ACTS) addEventListener(name, (event) => event.isTrusted && this.#acted(event), options);
    addEventListener("focusin", (event) => this.#focused(event), options);
    for (const name of ["focusout", "blur"]) addEventListener(name, (event) => this.#left(/** @type {FocusEvent} */ (event)), options);
    this.#observer.observe(field.chosen.root, { childList: true, subtree: true, characterData: true });
  }

  /** Whether our tag is still in the field: the writer may have wanted it back. */
  get inPlace() {
    return this.#ours;
  }

  /**
   * Puts the tag into the field and does something about it, all in one go: no key can fall in between.
   *
   * @param {(input: HTMLInputElement) => void} [gesture]
   */
  put(gesture) {
    const input = this.#field.input();
    if (!input) return;
    if (!this.#ours) this.#text = textOf(input);
    this.#ours = true;
    this.consumed = false;
    this.use(() => {
      input.focus({ preventScroll: true });
      if (input.value !== this.#tag) type(input, this.#tag);
      gesture?.(input);
    });
  }

  /** Does something to the page that may take the keyboard, and gives it back. @param {() => void} act */
  use(act) {
    this.#inField = focusedElement() === this.#field.input();
    const back = rememberPlace();
    this.#act(() => {
      act();
      if (!this.#inField) back();
    });
    this.#check();
  }

  /** @param {() => void} act  what is not the writer's doing */
  #act(act) {
    const before = this.#acting;
    this.#acting = hands.still = true;
    try {
      act();
    } finally {
      this.#acting = hands.still = before;
    }
  }

  /** Presses a key in the field, with our tag in it. @param {" " | "Enter"} key */
  press(key) {
    this.put((input) => press(input, key));
  }

  /** Leaves the field with our tag in it, as a page may wait for. */
  leave() {
    this.put((input) => {
      this.#owesBlur = true;
      this.#tellBlur(input);
    });
  }

  /**
   * The tag that the page shows for ours: itself, or the one that stands where ours was asked for, and that nobody but
   * we can have brought about.
   *
   * @returns {string | null}
   */
  shown() {
    const names = namesOf(this.#field.chosen);
    if (names.includes(this.#tag)) return this.#tag;
    if (names.includes(this.#seen)) return this.#seen;
    const substitute = this.#substitute(names);
    return this.#awaitsTyped(names) ? null : substitute;
  }

  /** @param {string[]} names @returns {string | null} what may be it, or come from what was typed */
  #substitute(names) {
    const [substitute, ...others] = names.filter((name) => !this.#before.includes(name) && !hands.typed.has(name));
    if (!this.consumed || this.#pointed || substitute === undefined || others.length > 0) return null;
    const stands = names.slice(names.indexOf(substitute) + 1).every((name) => hands.typed.has(name));
    return stands ? substitute : null;
  }

  /** Whether the page has yet to answer to a tag that was typed, under whatever name. @param {string[]} names */
  #awaitsTyped(names) {
    const typing = (this.#ours ? this.#text : this.#field.input())?.value ?? "";
    return [...hands.typed].some(
      ([name, at]) => at > this.#began - TYPED_MS && !names.includes(name) && !typing.includes(name),
    );
  }

  /** Whether the condition comes true in time. @param {() => boolean} condition @param {number} patience  ms */
  until(condition, patience) {
    const end = performance.now() + patience;
    // A browser slows down tabs in the background: the page's answer then takes as much longer as our looking.
    let looks = patience / SLOWED_POLL_MS;
    return new Promise((resolve) => {
      const look = () => {
        this.#check();
        if (condition()) return resolve(true);
        looks -= 1;
        if ((performance.now() >= end && looks <= 0) || this.#life.signal.aborted) return resolve(false);
        setTimeout(look, POLL_MS);
      };
      look();
    });
  }

  /** Waits for the page's answer; longer, if it has yet to answer to the writer as well. @param {number} patience */
  async answer(patience) {
    const isShown = () => this.shown() !== null;
    if (await this.until(isShown, patience)) return;
    if (this.#substitute(namesOf(this.#field.chosen)) !== null) await this.until(isShown, patience);
  }

  /** Waits until the writer pauses in the field, or is elsewhere. */
  async pause() {
    const typing = () =>
      hands.composing ||
      (focusedElement() === this.#field.input() && performance.now() - this.#touched < PAUSE_MS);
    await this.until(() => !typing(), LONGEST_PAUSE_MS);
  }

  /** Gives the field back; for a moment more, what the page takes from the writer is given back too. */
  end() {
    this.#giveBack();
    setTimeout(() => this.stop(), LINGERS_MS);
  }

  stop() {
    this.#giveBack();
    this.#life.abort();
    this.#observer.disconnect();
  }

  /** The writer did something, somewhere. @param {Event} event */
  #acted(event) {
    this.#hand = true;
    setTimeout(() => (this.#hand = false));
    const input = this.#field.input();
    const { target } = event;
    if (!input || !(target instanceof Element) || target.closest("[data-tagalong]")) return;
    if (target.closest(this.#field.hits)) this.#pointed = true;
    if (target !== input && focusedElement() !== input) return;
    // Before the key has its effect: it is meant for the writer's own text.
    if (this.#ours) this.#giveBack();
    this.#touched = performance.now();
    const commits = event instanceof KeyboardEvent && COMMITS.has(event.key) && !event.isComposing;
    this.#readLater(input, commits || target !== input);
  }

  /** @param {HTMLInputElement} input @param {boolean} commits  whether the page may make a tag of what is typed */
  #readLater(input, commits) {
    if (commits) this.#text = null;
    setTimeout(() => {
      if (!this.#ours && !(commits && input.value !== "")) this.#text = textOf(input);
    });
  }

  /** @param {FocusEvent} event */
  #focused({ target }) {
    const input = this.#field.input();
    if (this.#acting) return;
    const wasInField = this.#inField;
    this.#inField = target === input;
    if (target !== input) return;
    if (this.#ours) this.#giveBack();
    // Unless by the writer, by the page: if it comes with a tag, it is given back.
    if (!this.#hand && !wasInField) this.#taken = this.#place;
    setTimeout(() => (this.#taken = null));
  }

  /** @param {FocusEvent} event */
  #left(event) {
    const input = this.#field.input();
    if (this.#acting) {
      if (!this.#field.closes || event.target !== input || !this.#ours) return;
      // Its list of hits would close.
      event.stopImmediatePropagation();
      this.#owesBlur = true;
    } else if (event.type === "focusout" && event.isTrusted) {
      this.#place = rememberPlace(/** @type {Element} */ (event.composedPath()[0]));
      // One that is drawn anew loses the keyboard without the writer's going anywhere.
      if (!input || event.target !== input || (!this.#hand && event.relatedTarget === null)) return;
      this.#inField = false;
      if (!this.#ours) this.#readLater(input, true);
    }
  }

  /** Looks what the page has done, and gives back what it took from the writer. */
  #check() {
    const input = this.#field.input();
    if (!input || this.#acting) return;
    const names = namesOf(this.#field.chosen);
    const [redrawn, answered] = [input !== this.#known, names.join(" ") !== this.#names.join(" ")];
    for (const [was, is] of replacements(this.#names, names)) {
      if (was === this.#seen) this.#seen = is;
      else this.#before.push(is);
    }
    if (names.includes(this.#tag)) this.#seen = this.#tag;
    this.#known = input;
    this.#names = names;
    this.#act(() => {
      if (redrawn && this.#inField && focusedElement() === null) input.focus({ preventScroll: true });
      if (answered) this.#taken?.();
    });
    if (this.#ours && input.value !== this.#tag) this.consumed = true;
    if (!this.consumed) this.#before = [...names];
    if (this.#ours && this.consumed) {
      this.#giveBack();
    } else if (!this.#ours && !this.#hand && (redrawn || answered) && input.value === "" && this.#text?.value) {
      putText(input, this.#text);
    }
  }

  #giveBack() {
    if (!this.#ours) return;
    this.#ours = false;
    const input = this.#field.input();
    if (!input) return;
    if (input.value === this.#tag && this.#text?.value !== this.#tag) type(input, "");
    // Before the writer's text is there again: on leaving, the page would make a tag of it.
    if (focusedElement() !== input) this.#tellBlur(input);
    if (this.#text) putText(input, this.#text);
  }

  /** @param {HTMLInputElement} input */
  #tellBlur(input) {
    if (!this.#owesBlur) return;
    this.#owesBlur = false;
    this.#act(() => {
      input.dispatchEvent(new FocusEvent("blur"));
      input.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    });
  }
}

/**
 * Takes a tag out again by its chip's own delete.
 *
 * @param {TagField} field
 * @param {string} tag
 * @returns {Promise<boolean>} true once it is gone
 */
export async function takeOut(field, tag) {
  const shared = new SharedField(field, tag);
  const button = chipOf(field.chosen, tag)?.querySelector(field.chosen.button);
  if (button instanceof HTMLElement) shared.use(() => button.click());
  const gone = await shared.until(() => !namesOf(field.chosen).includes(tag), REMOVAL_MS);
  shared.end();
  return gone;
}
