/** What the writer can do with chips: add a tag, remove it, dismiss or block it, replace another, and undo each. */

import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";

/** @typedef {import("./chips/panel.js").Note} Note */
/** @typedef {import("./chips/panel.js").NoteAction} NoteAction */
/** @typedef {import("./chips/panel.js").Panel} Panel */
/** @typedef {import("./session.js").PageSession} PageSession */

export class Actions {
  #session;
  #panel;
  #draw;
  #signal;
  /** Ends when the page has done, or refused, what it was asked to: its field can hold one tag at a time. */
  #queue = Promise.resolve();

  /**
   * @param {PageSession} session
   * @param {Panel} panel
   * @param {() => void} draw
   * @param {AbortSignal} signal  aborts when the chips are gone
   */
  constructor(session, panel, draw, signal) {
    this.#session = session;
    this.#panel = panel;
    this.#draw = draw;
    this.#signal = signal;
  }

  /** The chip was pressed: add its tag, remove it again, or undo its dismissal. @param {string} tag */
  toggle(tag) {
    const session = this.#session;
    if (session.pending.has(tag)) return;
    session.note = null;
    session.markSettled(tag);
    if (session.isChosen(tag)) this.#changePage([tag], () => this.#remove(tag));
    else if (session.items.isDismissed(tag)) this.#restore(tag);
    else if (session.isFull()) this.#offerReplacing(tag);
    else this.#changePage([tag], () => this.#add(tag), tag);
  }

  /** @param {string} tag */
  dismiss(tag) {
    const session = this.#session;
    if (session.pending.has(tag)) return;
    if (session.isChosen(tag) || session.items.isDismissed(tag)) return this.toggle(tag);
    session.markSettled(tag);
    session.items.markDismissed(tag, this.#panel.getPosition(tag));
    this.#show(this.#createDismissedNote(tag));
  }

  /** Suggest the tag in no draft any more; it is dismissed in this one. @param {string} tag */
  block(tag) {
    const { items, blocked, pending } = this.#session;
    if (pending.has(tag) || blocked.has(tag)) return;
    this.#session.markSettled(tag);
    const wasDismissed = items.isDismissed(tag);
    if (!wasDismissed) items.markDismissed(tag, this.#panel.getPosition(tag));
    this.#setBlocked(tag, true);
    const undo = createUndo(() => (wasDismissed ? this.#unblock(tag) : this.#restore(tag)));
    this.#show({ text: getText("chipsNever", tag), ...this.#createNoteActions([tag], [undo]) });
  }

  /** Put the tag in the place of a chosen one. @param {string} tag @param {string} chosen */
  replace(tag, chosen) {
    this.#session.note = null;
    this.#session.markSettled(tag);
    this.#changePage([tag, chosen], () => this.#exchange(chosen, tag), tag);
  }

  /** Show that the page had the tag, and then refused it. @param {string} tag */
  reportRefusal(tag) {
    this.#show(this.#createRefusedNote(tag));
  }

  /**
   * Change the page's tags once it is done with what came before; until the end, pressing these tags does nothing.
   *
   * @param {string[]} tags
   * @param {() => Promise<Note | null>} change  resolves to what there is to say about it
   * @param {string} [adding]  the tag that the page is asked to add
   */
  #changePage(tags, change, adding) {
    const { pending } = this.#session;
    if (tags.some((tag) => pending.has(tag))) return;
    for (const tag of tags) pending.set(tag, tag === adding ? "adding" : "removing");
    this.#draw();
    this.#queue = this.#queue.then(async () => {
      const note = this.#signal.aborted ? null : await change();
      for (const tag of tags) pending.delete(tag);
      if (!this.#signal.aborted) this.#show(note);
    });
  }

  /** @param {string} tag @returns {Promise<Note | null>} */
  async #add(tag) {
    const { page } = this.#session;
    const position = this.#panel.getPosition(tag);
    if (page.readTags().length >= page.maxTags) return this.#offerReplacing(tag);
    const name = await page.addTag(tag).catch(() => null);
    if (name === null) return this.#createRefusedNote(tag);
    this.#markAccepted(tag, name, position);
    const text = name === tag ? getText("chipsAdded", tag) : getText("chipsReplaced", name, tag);
    const undo = createUndo(() => this.#changePage([tag], () => this.#remove(tag)));
    return { text, ...this.#createNoteActions([tag], [undo]) };
  }

  /** @param {string} tag @returns {Promise<Note | null>} */
  async #remove(tag) {
    const name = this.#getName(tag);
    const removed = await this.#session.page.removeTag(name).catch(() => false);
    if (!removed) return { text: getText("chipsStays", tag) };
    this.#markRemoved(name);
    this.#panel.announce(getText("chipsRemoved", tag));
    return null;
  }

  /** @param {string} chosen @param {string} tag  to put in its place @returns {Promise<Note | null>} */
  async #exchange(chosen, tag) {
    const { items, accepted } = this.#session;
    const [position, chosenTag] = [this.#panel.getPosition(tag), accepted.getTag(chosen)];
    const wasAccepted = items.get(chosenTag)?.accepted ?? false;
    const name = await this.#swap(chosen, tag);
    if (typeof name !== "string") return name;
    this.#markAccepted(tag, name, position);
    const swapBack = async () => {
      const oldName = await this.#swap(this.#getName(tag), chosen);
      if (typeof oldName !== "string") return oldName;
      if (wasAccepted) this.#markAccepted(chosenTag, oldName, this.#panel.getPosition(chosenTag));
      return null;
    };
    const undo = createUndo(() => this.#changePage([tag, chosen], swapBack, chosen));
    const text = name === tag ? getText("chipsSwapped", tag, chosen) : getText("chipsReplaced", name, tag);
    return { text, ...this.#createNoteActions([tag, chosen], [undo]) };
  }

  /**
   * Replace one tag of the page by another. If the page refuses, it gets the first one back, and nothing has happened.
   *
   * @param {string} chosen
   * @param {string} tag
   * @returns {Promise<string | Note>} the name under which the page shows the tag, or what went wrong
   */
  async #swap(chosen, tag) {
    const { page, accepted } = this.#session;
    // Until it comes back, its absence does not mean that the page refused it.
    accepted.confirm(accepted.getTag(chosen));
    if (!(await page.removeTag(chosen).catch(() => false))) return { text: getText("chipsStays", chosen) };
    const name = await page.addTag(tag).catch(() => null);
    if (name === null && (await page.addTag(chosen).catch(() => null)) === chosen) return this.#createRefusedNote(tag);
    this.#markRemoved(chosen);
    if (name === null) return this.#createRefusedNote(chosen);
    this.#session.tagsAtRest = [...this.#session.tagsAtRest, name];
    return name;
  }

  /** The page shows the tag after a press. @param {string} tag @param {string} name @param {number} position */
  #markAccepted(tag, name, position) {
    const session = this.#session;
    session.accepted.add(tag, name, position);
    // Only this tag: other changes are compared once the page is at rest.
    session.tagsAtRest = [...new Set([...session.tagsAtRest, name])];
    if (this.#signal.aborted) session.accepted.confirm();
  }

  /** @param {string} name */
  #markRemoved(name) {
    const session = this.#session;
    session.accepted.remove(name);
    session.tagsAtRest = session.tagsAtRest.filter((other) => other !== name);
  }

  /** Return the name under which the page shows a tag. @param {string} tag */
  #getName(tag) {
    const { page, accepted } = this.#session;
    return accepted.findName(tag, page.readTags()) ?? tag;
  }

  /** Undo the dismissal of a tag, and suggest it in other drafts too. @param {string} tag */
  #restore(tag) {
    this.#setBlocked(tag, false);
    this.#session.items.markRestored(tag, this.#panel.getPosition(tag));
    this.#panel.announce(getText("chipsRestored", tag));
    this.#draw();
  }

  /** Suggest the tag in other drafts; in this one it stays dismissed. @param {string} tag */
  #unblock(tag) {
    this.#setBlocked(tag, false);
    this.#show(this.#createDismissedNote(tag));
  }

  /** @param {string} tag @param {boolean} blocked */
  #setBlocked(tag, blocked) {
    const list = this.#session.blocked;
    if (list.has(tag) === blocked) return;
    if (blocked) list.add(tag);
    else list.delete(tag);
    const store = () => sendMessage("setTagBlocked", { tag, blocked });
    // Once more: the worker may die while it starts.
    store().catch(store).catch(() => {});
  }

  /** Ask which tag to replace: the question has all its tags. @param {string} tag */
  #offerReplacing(tag) {
    this.#draw();
    this.#panel.announce(getText("chipsLimit", this.#session.page.maxTags));
    this.#panel.offerReplacing(tag);
    return null;
  }

  /** @param {string} tag @returns {Note} */
  #createDismissedNote(tag) {
    const undo = createUndo(() => this.#restore(tag));
    const block = { label: getText("chipNever"), run: () => this.block(tag) };
    return { text: getText("chipsDismissed", tag), ...this.#createNoteActions([tag], [undo, block]) };
  }

  /** @param {string} tag @returns {Note} */
  #createRefusedNote(tag) {
    const onCopied = () => this.#show({ text: getText("chipsCopied", tag) });
    const onFailed = () => this.#show({ text: getText("chipsNotCopied", tag) });
    const run = () => void navigator.clipboard.writeText(tag).then(onCopied, onFailed);
    return { text: getText("chipsRefused", tag), actions: [{ label: getText("chipsCopy"), run }] };
  }

  /**
   * Return what can be done about an action: only as long as its tags are as it left them. Whatever else changes one of
   * them (the writer's typing, the page, another tab) ends the offer.
   *
   * @param {[string, ...string[]]} tags
   * @param {NoteAction[]} actions
   * @returns {Omit<Note, "text">}
   */
  #createNoteActions(tags, actions) {
    const readState = () => JSON.stringify(tags.map((tag) => this.#getState(tag)));
    const state = readState();
    const isCurrent = () => readState() === state;
    const guard = (/** @type {NoteAction} */ { label, run }) => ({
      label,
      run: () => {
        if (!isCurrent()) return;
        this.#session.note = null;
        run();
      },
    });
    return { tag: tags[0], isCurrent, actions: actions.map(guard) };
  }

  /** A page that draws its tags anew shows none for a moment. @param {string} tag */
  #getState(tag) {
    const { page, items, blocked, tagsAtRest } = this.#session;
    const isChosen = this.#session.isChosen(tag, [...page.readTags(), ...tagsAtRest]);
    return [isChosen, items.isDismissed(tag), blocked.has(tag)];
  }

  /** Draw the chips, with a note if there is one. @param {Note | null} note */
  #show(note) {
    if (note) {
      this.#session.note = note;
      this.#panel.announce(note.text);
    }
    this.#draw();
  }
}

/** @param {() => void} run  the inverse of the action that the note is about @returns {NoteAction} */
function createUndo(run) {
  return { label: getText("chipsUndo"), run };
}
