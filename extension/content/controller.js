/** Connects one page with its draft, its chips and the events about them. */

import { browser } from "../shared/browser.js";
import { getText } from "../shared/i18n.js";
import { AcceptedTags } from "./accepted-tags.js";
import { createPanel } from "./chips/panel.js";
import { DraftWatcher } from "./draft-watcher.js";
import { createEventBuffer } from "./event-buffer.js";
import { Items } from "./items.js";
import { createRecorder } from "./recorder.js";
import { PageSession } from "./session.js";
import { Suggestions } from "./suggestions.js";

/** @typedef {import("./actions.js").Actions} Actions */
/** @typedef {import("./draft-watcher.js").OpenedDraft} OpenedDraft */
/** @typedef {import("./chips/panel.js").Note} Note */
/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */

/** @typedef {{debounceMs: number, blockedTags: string[]}} ChipSettings */

/** A page that draws its tags anew shows none for a moment. */
const REST_MS = 250;

/** Shows chips on a page until `unmount` is called. */
export class Controller {
  page;
  #lifetime = new AbortController();
  #session;
  #panel;
  #suggestions;
  #draft;
  /** @type {"short" | "looking" | "ready" | "away"} as of the last answer; looking: before the first one */
  #state = "short";
  /** @type {import("../shared/protocol.js").Origin | ""} of the last answer */
  #origin = "";
  /** Why there is no answer, in the writer's language; empty where there is nothing to say. */
  #reason = "";
  #busy = false;
  /** @type {Set<string>} tags that were announced */
  #announced = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} until the page's tags are at rest */
  #restTimer;
  /** @type {Promise<Actions> | undefined} */
  #loading;
  /** @type {typeof import("./posted-question.js") | undefined} loaded with the first draft */
  #postedQuestion;

  /** @param {Page} page @param {ChipSettings} settings */
  constructor(page, { debounceMs, blockedTags }) {
    this.page = page;
    const { signal } = this.#lifetime;
    const recorder = createRecorder();
    const events = createEventBuffer(recorder.record, recorder.saveHeld);
    const items = new Items(events.record);
    const accepted = new AcceptedTags(page.readTags, items, events.hold, {
      renamed: (tag, oldName, newName) => this.#onRenamed(tag, oldName, newName),
      refused: (tag) => void this.#loadActions().then((actions) => actions.reportRefusal(tag)),
    });
    this.#panel = createPanel(this.#createChipActions(), (tag) => this.#onView(tag), signal);
    this.#session = new PageSession(page, items, accepted, blockedTags);
    this.#suggestions = new Suggestions(this.#session, this.#panel.isInUse);
    this.#draft = new DraftWatcher(
      page,
      debounceMs,
      {
        opened: (draft) => this.#onOpened(draft),
        tooShort: () => this.#onTooShort(),
        asking: () => this.#onAsking(),
        answered: (answer) => this.#onAnswer(answer),
        isPosting: () => this.#postedQuestion?.isSubmissionPending() ?? false,
      },
      signal,
    );
    page.observe(
      {
        changed: () => this.#onPageChange(),
        removing: (name) => accepted.markRemoving(name),
        posting: () => this.#onPosting(),
      },
      signal,
    );
    addEventListener("pagehide", () => accepted.confirm(), { signal });
    page.place(this.#panel.host);
    this.#draw();
    this.#draft.changed();
  }

  unmount() {
    clearTimeout(this.#restTimer);
    this.#session.accepted.confirm();
    this.#lifetime.abort();
    this.#panel.host.remove();
  }

  /** Move the focus to the chips, or back. */
  focus() {
    this.#panel.focus();
  }

  /** The list was changed: here, in the options, or in another tab. @param {string[]} tags */
  setBlockedTags(tags) {
    this.#session.blocked = new Set(tags);
    this.#suggestions.arrange();
    this.#draw();
  }

  #onPageChange() {
    this.page.place(this.#panel.host);
    this.#draft.changed();
    this.#session.accepted.followRenames();
    this.#settleNewTags();
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#compareTags(), REST_MS);
  }

  #onPosting() {
    this.#compareTags();
    this.#session.accepted.confirm();
    this.#postedQuestion?.trackSubmission(this.#session.items.draftId, this.page.readTags());
  }

  /** @param {string} tag */
  #onView(tag) {
    this.#session.items.markViewed(tag, this.#panel.getPosition(tag));
  }

  /** @param {OpenedDraft} draft */
  async #onOpened({ draft_id, items }) {
    // Before there is a draft, no question can be submitted.
    this.#postedQuestion = await import("./posted-question.js");
    this.#session.items.begin(draft_id, items);
  }

  #onTooShort() {
    [this.#state, this.#busy, this.#session.note, this.#announced] = ["short", false, null, new Set()];
    this.#suggestions.clear();
    this.#draw();
  }

  #onAsking() {
    this.#busy = true;
    if (this.#state === "short") this.#state = "looking";
    void this.#panel.prepare();
    this.#draw();
  }

  /** @param {Exclude<SuggestResult, {state: "superseded"}>} answer */
  #onAnswer(answer) {
    this.#busy = false;
    if (answer.state === "answered") {
      this.#onSuggestions(answer);
    } else if (answer.state === "away") {
      // The chips are as good as they were; only new ones are missing.
      [this.#state, this.#reason, this.#session.note] = ["away", answer.message, null];
      this.#draw();
    } else {
      // Switched off, or the model does not know this site: there is no use in sending the draft again.
      this.unmount();
    }
  }

  /** @param {Extract<SuggestResult, {state: "answered"}>} answer */
  #onSuggestions(answer) {
    const { items } = this.#session;
    const confident = answer.items.filter((item) => item.confident);
    const unrecorded = this.#suggestions.shown.filter((tag) => items.get(tag)?.suggestion_id === null);
    this.#suggestions.update(confident);
    items.offer(answer, confident.map(({ tag }) => tag));
    [this.#state, this.#origin] = ["ready", answer.origin];
    // Loaded before the first press, and while nothing is typed.
    if (!this.#loading) requestIdleCallback(() => this.#loadActions());
    this.#suggestions.arrange();
    this.#draw();
    this.#announceSuggestions();
    // Seen before the service could record them: their time begins now.
    for (const tag of unrecorded) this.#panel.watchAgain(tag);
  }

  #loadActions() {
    return (this.#loading ??= import("./actions.js").then(
      ({ Actions }) => new Actions(this.#session, this.#panel, () => this.#draw(), this.#lifetime.signal),
    ));
  }

  /** @returns {import("./chips/panel.js").ChipActions} */
  #createChipActions() {
    const run = (/** @type {(actions: Actions) => void} */ act) => {
      // The extension was updated or removed while the page is open: nothing can be done on it any more.
      if (!browser.runtime?.id) return this.unmount();
      void this.#loadActions().then(act);
    };
    return {
      toggle: (tag) => run((actions) => actions.toggle(tag)),
      dismiss: (tag) => run((actions) => actions.dismiss(tag)),
      block: (tag) => run((actions) => actions.block(tag)),
      replace: (tag, chosen) => run((actions) => actions.replace(tag, chosen)),
      leave: () => this.page.focusTags(),
    };
  }

  #draw() {
    const session = this.#session;
    const names = this.page.readTags();
    if (session.note?.isCurrent?.() === false) session.note = null;
    this.#panel.draw({
      chips: this.#suggestions.createChips(names),
      origin: this.#origin,
      busy: this.#busy,
      note: session.note ?? this.#createStateNote(),
      replaceable: session.isFull() ? names : [],
    });
  }

  /** What there is to say while nothing has just happened. @returns {Note | null} */
  #createStateNote() {
    const { shown, hidden } = this.#suggestions;
    if (this.#state === "short") return { text: getText("chipsShort") };
    if (this.#state === "looking") return { text: getText("chipsLooking") };
    if (this.#state === "away") {
      const retry = { label: getText("chipsRetry"), run: () => this.#draft.retry() };
      return { text: `${getText("chipsAway")} ${this.#reason}`.trim(), actions: [retry] };
    }
    if (this.#session.isFull() && shown.length > 0) return { text: getText("chipsLimit", this.page.maxTags) };
    if (hidden.length > 0) {
      const show = { label: getText("chipsShow"), run: () => this.#showDismissed() };
      return { text: getText("chipsHidden", hidden.length), actions: [show] };
    }
    return shown.length === 0 ? { text: getText("chipsNone") } : null;
  }

  #showDismissed() {
    this.#suggestions.showDismissed();
    this.#draw();
  }

  /** Tags that the writer typed show as chosen at once, and stay a while like those that were pressed. */
  #settleNewTags() {
    const { accepted, tagsAtRest } = this.#session;
    const added = this.page.readTags().filter((name) => !tagsAtRest.includes(name));
    if (added.length === 0) return;
    for (const name of added) this.#session.markSettled(accepted.getTag(name));
    this.#draw();
  }

  /** Compare the page's tags with those when last at rest: accepted ones may have been removed. */
  #compareTags() {
    clearTimeout(this.#restTimer);
    const { accepted, pending, tagsAtRest } = this.#session;
    const names = this.page.readTags();
    const missing = tagsAtRest.filter((name) => !names.includes(name));
    // What the page was asked to remove is counted by the action: it may come back.
    const removing = missing.filter((name) => pending.has(name) || pending.has(accepted.getTag(name)));
    for (const name of missing) {
      if (!removing.includes(name)) this.#session.markSettled(accepted.handleMissing(name));
    }
    this.#session.tagsAtRest = [...names, ...removing];
    this.#draw();
  }

  /** @param {string} tag @param {string} oldName @param {string} newName  that the page has put in its place */
  #onRenamed(tag, oldName, newName) {
    const session = this.#session;
    session.tagsAtRest = session.tagsAtRest.map((name) => (name === oldName ? newName : name));
    session.markSettled(tag);
    if (!session.accepted.isUnconfirmed(tag)) return;
    const text = getText("chipsReplaced", newName, tag);
    session.note = { ...(session.note?.tag === tag ? session.note : {}), text, tag };
    this.#panel.announce(text);
  }

  #announceSuggestions() {
    const { shown } = this.#suggestions;
    const tags = shown.filter((tag) => this.#session.getLook(tag, this.#session.tagsAtRest) === "offered");
    // Only what is new: the same chips after each pause would be noise.
    if (tags.some((tag) => !this.#announced.has(tag))) {
      this.#panel.announceCalmly(getText("chipsOffer", tags.join(", ")));
    } else if (shown.length === 0) {
      this.#panel.announceCalmly(getText("chipsNone"));
    }
    this.#announced = new Set([...this.#announced, ...tags]);
  }
}
