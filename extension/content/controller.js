/** Joins one page, its draft, its chips and what is counted of them. */

import { browser } from "../shared/browser.js";
import { getText } from "../shared/i18n.js";
import { TakenTags } from "./accepted-tags.js";
import { createChips } from "./chips/panel.js";
import { followDraft } from "./draft-watcher.js";
import { holdEvents } from "./event-buffer.js";
import { watchViews } from "./impressions.js";
import { Items } from "./items.js";
import { submitted } from "./posted-question.js";
import { createRecorder } from "./recorder.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("./chips/panel.js").Look} Look */
/** @typedef {import("./chips/panel.js").Note} Note */
/** @typedef {import("../shared/protocol.js").SuggestResult} SuggestResult */
/** @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag */

/**
 * @typedef {object} Desk  what stands on a page, and what the writer does with it, have in common
 * @property {Page} page
 * @property {Items} items
 * @property {ReturnType<typeof createChips>} chips
 * @property {Map<string, number>} settled  when the writer last said something about a tag; ms since the epoch
 * @property {Set<string>} never  tags of which the writer wants no chip, in any draft
 * @property {Map<string, "adding" | "removing">} underWay  tags that the page is being asked to take or to give up
 * @property {Note | null} note  on the last action, until the next
 * @property {string[]} present  the page's tags when last at rest
 * @property {TakenTags} taken
 * @property {() => boolean} isFull  whether the page takes no more tags than it has or was asked to take
 * @property {() => void} draw
 * @property {AbortSignal} signal  aborts when the chips are gone
 */

/** A settled chip stays so long where it is: the one that takes its place must not catch a second click. */
const STAYS_MS = 8000;
/** A page that draws its tags anew shows none for a moment. */
const TAGS_AT_REST_MS = 250;

/**
 * Shows chips on the page until told to stop.
 *
 * @param {Page} page
 * @param {{debounceMs: number, never: string[]}} wanted
 * @returns {{unmount: () => void, focus: () => void, setNever: (tags: string[]) => void}}
 */
export function mount(page, { debounceMs, never: banished }) {
  const life = new AbortController();
  const recorder = createRecorder();
  const events = holdEvents(recorder.record, recorder.keepHeld);
  const items = new Items(events.record);
  const taken = new TakenTags(page.readTags, items, events.hold, { renamed, refused });
  /** @type {string[]} tags of the newest answer, best first */
  let offered = [];
  /** @type {Map<string, SuggestedTag>} the newest of each tag */
  const offers = new Map();
  /** @type {string[]} tags of the chips */
  let shown = [];
  /** @type {"short" | "looking" | "ready" | "away"} as of the last answer; looking: before the first one */
  let state = "short";
  /** Why the service is away, for people; empty where there is nothing to say. */
  let why = "";
  let asking = false;
  /** @type {Set<string>} tags whose offer was announced */
  let announced = new Set();
  let showDismissed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let atRest;

  const chips = createChips(
    {
      act: deed("act"),
      dismiss: deed("dismiss"),
      banish: deed("banish"),
      replace: deed("replace"),
      leave: page.focusTags,
    },
    (chip) => views.watch(chip),
    life.signal,
  );
  /** @type {Desk} */
  const desk = {
    page,
    items,
    chips,
    settled: new Map(),
    never: new Set(banished),
    underWay: new Map(),
    note: null,
    present: page.readTags(),
    taken,
    isFull,
    draw,
    signal: life.signal,
  };
  /** @type {Promise<import("./actions.js").Deeds> | undefined} */
  let loading;
  const views = watchViews((element) => {
    const tag = /** @type {HTMLElement} */ (element).dataset["tag"] ?? "";
    items.viewed(tag, chips.positionOf(tag));
  }, life.signal);
  const draft = followDraft(
    page,
    debounceMs,
    {
      opened: ({ draft_id, items: lives }) => items.begin(draft_id, lives),
      tooShort() {
        [state, asking, offered, shown, desk.note, showDismissed] = ["short", false, [], [], null, false];
        announced = new Set();
        draw();
      },
      asking() {
        asking = true;
        if (state === "short") state = "looking";
        chips.prepare();
        draw();
      },
      answered,
    },
    life.signal,
  );

  page.observe(
    {
      changed() {
        page.place(chips.host);
        draft.changed();
        taken.follow();
        settleChosen();
        clearTimeout(atRest);
        atRest = setTimeout(compareTags, TAGS_AT_REST_MS);
      },
      removing: (name) => taken.touch(name),
      posting() {
        compareTags();
        taken.settle();
        const { draftId } = items;
        if (draftId !== "") submitted(draftId, page.readTags());
      },
    },
    life.signal,
  );
  addEventListener("pagehide", () => taken.settle(), { signal: life.signal });
  page.place(chips.host);
  draw();
  draft.changed();

  return { unmount, focus: chips.focus, setNever };

  function unmount() {
    clearTimeout(atRest);
    taken.settle();
    life.abort();
    chips.host.remove();
  }

  /** @param {Exclude<SuggestResult, {state: "superseded"}>} answer */
  function answered(answer) {
    asking = false;
    if (answer.state === "answered") {
      const confident = answer.items.filter((item) => item.confident);
      const unrecorded = shown.filter((tag) => items.get(tag)?.suggestion_id === null);
      for (const offer of confident) offers.set(offer.tag, offer);
      offered = confident.map((item) => item.tag);
      items.offer(answer.suggestion_id, offered);
      state = "ready";
      // At hand before the first click, and out of the way of what is typed.
      if (!loading) requestIdleCallback(deeds);
      arrange();
      draw();
      announceOffer();
      // Seen before the service could record them: their time begins now.
      for (const tag of unrecorded) {
        const chip = chips.elementOf(tag);
        if (chip) views.watch(chip);
      }
    } else if (answer.state === "away") {
      // What was offered is as good as it was; only what is new is missing.
      [state, why, desk.note] = ["away", answer.message, null];
      draw();
    } else {
      // Switched off, or the model does not know this site: asking on would send the draft for nothing.
      unmount();
    }
  }

  /** What the writer does with the chips. */
  function deeds() {
    return (loading ??= import("./actions.js").then(({ createDeeds }) => createDeeds(desk)));
  }

  /** @param {keyof import("./actions.js").Deeds} name @returns {(tag: string, other?: string) => void} */
  function deed(name) {
    // Updated or removed under the page's feet, we can do nothing more on it.
    return (tag, other = "") => (browser.runtime?.id ? void deeds().then((all) => all[name](tag, other)) : unmount());
  }

  /** Whether the chip is not to go, nor to move, just now. @param {string} tag */
  function stays(tag) {
    return Date.now() - (desk.settled.get(tag) ?? 0) < STAYS_MS || chips.inUse(tag) || desk.underWay.has(tag);
  }

  /**
   * Chooses the chips to show, in the order of the newest answer, which is that of their scores (or a random one, to
   * learn what the order does). One that stays without being in the answer goes before the first with a lower score.
   */
  function arrange() {
    const tags = page.readTags();
    const wanted = offered.filter((tag) => {
      if (shown.includes(tag) && stays(tag)) return true;
      if (taken.nameOf(tag, tags) !== undefined || desk.never.has(tag)) return false;
      return !items.get(tag)?.dismissed || showDismissed;
    });
    for (const tag of shown.filter((tag) => !wanted.includes(tag) && stays(tag))) {
      const place = wanted.findIndex((other) => scoreOf(other) < scoreOf(tag));
      wanted.splice(place < 0 ? wanted.length : place, 0, tag);
    }
    shown = wanted;
    if (desk.note?.tag !== undefined && !shown.includes(desk.note.tag)) desk.note = null;
  }

  /** As of the newest answer that holds the tag. @param {string} tag */
  function scoreOf(tag) {
    return offers.get(tag)?.score ?? 0;
  }

  function draw() {
    const tags = page.readTags();
    // What can be done about an act ends with the state that the act left.
    if (desk.note?.holds?.() === false) desk.note = null;
    chips.draw({
      chips: shown.map((tag) => ({
        .../** @type {SuggestedTag} */ (offers.get(tag)),
        look: lookOf(tag, tags),
        never: desk.never.has(tag),
        stays: stays(tag),
      })),
      busy: asking,
      note: desk.note ?? standingNote(),
      replaceable: isFull() ? tags : [],
    });
  }

  function isFull() {
    const adding = [...desk.underWay].filter(([, what]) => what === "adding").map(([tag]) => tag);
    return new Set([...page.readTags(), ...adding]).size >= page.maxTags;
  }

  /** @param {string} tag @param {string[]} tags @returns {Look} */
  function lookOf(tag, tags) {
    if (taken.nameOf(tag, tags) !== undefined) return "chosen";
    if (desk.underWay.get(tag) === "adding") return "adding";
    return items.get(tag)?.dismissed ? "dismissed" : "offered";
  }

  /** What there is to say while nothing has just happened. @returns {Note | null} */
  function standingNote() {
    if (state === "short") return { text: getText("chipsShort") };
    if (state === "looking") return { text: getText("chipsLooking") };
    if (state === "away") {
      return { text: `${getText("chipsAway")} ${why}`.trim(), steps: [{ label: getText("chipsRetry"), run: draft.retry }] };
    }
    if (isFull() && shown.length > 0) return { text: getText("chipsLimit", page.maxTags) };
    const hidden = offered.filter((tag) => items.get(tag)?.dismissed && !shown.includes(tag) && !desk.never.has(tag));
    if (hidden.length > 0) {
      return { text: getText("chipsHidden", hidden.length), steps: [{ label: getText("chipsShow"), run: unfold }] };
    }
    return state === "ready" && shown.length === 0 ? { text: getText("chipsNone") } : null;
  }

  function unfold() {
    showDismissed = true;
    arrange();
    draw();
  }

  /** The list was changed: here, in the options, or in another tab. @param {string[]} tags */
  function setNever(tags) {
    desk.never = new Set(tags);
    arrange();
    draw();
  }

  /** Tags that came by hand show as chosen at once, and stay a while like those that were clicked. */
  function settleChosen() {
    const fresh = page.readTags().filter((tag) => !desk.present.includes(tag));
    if (fresh.length === 0) return;
    for (const name of fresh) desk.settled.set(taken.tagOf(name), Date.now());
    draw();
  }

  /** Compares the page's tags with those when last at rest: what a click brought may have been taken out. */
  function compareTags() {
    clearTimeout(atRest);
    const tags = page.readTags();
    // What the page was asked to give up is counted where that is done: it may come back.
    const missing = desk.present.filter((name) => !tags.includes(name));
    const asked = missing.filter((name) => desk.underWay.has(name) || desk.underWay.has(taken.tagOf(name)));
    for (const name of missing) if (!asked.includes(name)) desk.settled.set(taken.lose(name), Date.now());
    desk.present = [...tags, ...asked];
    draw();
  }

  /** @param {string} tag @param {string} was @param {string} is  what the page has put in its place */
  function renamed(tag, was, is) {
    desk.present = desk.present.map((name) => (name === was ? is : name));
    desk.settled.set(tag, Date.now());
    if (!taken.isUnsettled(tag)) return;
    const text = getText("chipsReplaced", is, tag);
    desk.note = { ...(desk.note?.tag === tag ? desk.note : {}), text, tag };
    chips.announce(text);
  }

  /** @param {string} tag  that the page showed, and has taken back */
  function refused(tag) {
    void deeds().then((all) => all.refuse(tag));
  }

  function announceOffer() {
    const tags = shown.filter((tag) => lookOf(tag, desk.present) === "offered");
    // Only news: the same chips after each pause would be noise.
    if (tags.some((tag) => !announced.has(tag))) chips.announceCalmly(getText("chipsOffer", tags.join(", ")));
    else if (shown.length === 0) chips.announceCalmly(getText("chipsNone"));
    announced = new Set([...announced, ...tags]);
  }
}
