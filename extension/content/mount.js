/** Joins one page, its draft, its chips and what is counted of them. */

import { words } from "../browser.js";
import { say } from "../say.js";
import { createChips } from "./chips.js";
import { followDraft } from "./draft.js";
import { createRecorder } from "./events.js";
import { Items } from "./items.js";
import { watchViews } from "./views.js";

/** @typedef {import("./pages/contract.js").Page} Page */
/** @typedef {import("./chips.js").Look} Look */
/** @typedef {import("./chips.js").Note} Note */
/** @typedef {import("../messages.js").Answer} Answer */

/** A settled chip stays so long where it is: the one that takes its place must not catch a second click. */
const STAYS_MS = 8000;
/** A page that draws its tags anew shows none for a moment. */
const TAGS_AT_REST_MS = 250;

/**
 * Shows chips on the page until told to stop.
 *
 * @param {Page} page
 * @param {number} debounceMs
 * @returns {() => void} unmounts
 */
export function mount(page, debounceMs) {
  const life = new AbortController();
  const items = new Items(createRecorder());
  /** @type {string[]} tags of the newest answer, best first */
  let offered = [];
  /** @type {string[]} tags of the chips, in their order on screen */
  let shown = [];
  /** @type {Map<string, number>} when the writer last said something about a tag; ms since the epoch */
  const settled = new Map();
  /** @type {string | null} the tag that the page is being asked to take */
  let adding = null;
  /** @type {"short" | "asking" | "ready" | "away"} */
  let state = "short";
  /** @type {Note | null} on the last action, until the next */
  let note = null;
  let showDismissed = false;
  /** @type {string[]} the page's tags when last at rest */
  let present = page.readTags();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let atRest;

  const chips = createChips({ act, dismiss, leave: page.focusTags }, life.signal);
  const views = watchViews((element) => {
    const tag = chips.tagOf(element);
    items.viewed(tag, positionOf(tag));
  }, life.signal);
  const draft = followDraft(
    page,
    debounceMs,
    {
      opened: ({ draft_id, items: lives }) => items.begin(draft_id, lives),
      tooShort() {
        [state, offered, shown, note, showDismissed] = ["short", [], [], null, false];
        draw();
      },
      asking() {
        state = "asking";
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
        settleChosen();
        clearTimeout(atRest);
        atRest = setTimeout(compareTags, TAGS_AT_REST_MS);
      },
      posting() {
        compareTags();
        const { draftId } = items;
        if (draftId === "") return;
        const snapshot = { draft_id: draftId, tags: page.readTags(), site: siteOf(location) };
        // Once more: the worker may die while it starts, and the page will not wait long.
        say("posting", snapshot).catch(() => say("posting", snapshot)).catch(() => {});
      },
      withdrawn: () => void say("withdrawn", {}).catch(() => {}),
    },
    life.signal,
  );
  page.place(chips.host);
  draw();
  draft.changed();

  return () => {
    clearTimeout(atRest);
    life.abort();
    chips.host.remove();
  };

  /** @param {Exclude<Answer, {state: "overtaken"}>} answer */
  function answered(answer) {
    if (answer.state === "answered") {
      const confident = answer.items.filter((item) => item.confident);
      const unrecorded = shown.filter((tag) => items.get(tag)?.suggestion_id === null);
      items.offer(answer.suggestion_id, confident);
      offered = confident.map((item) => item.tag);
      state = "ready";
      arrange();
      draw();
      announceOffer();
      // Seen before the service could record them: their time begins now.
      for (const tag of unrecorded) if (shown.includes(tag)) views.watch(chips.elementOf(tag));
    } else if (answer.state === "away") {
      // What was offered is as good as it was; only what is new is missing.
      state = "away";
      draw();
    } else {
      [state, offered, shown] = ["short", [], []];
      draw();
    }
  }

  /** Chooses the chips to show. Those that stay keep their order, new ones fill the places of those that go. */
  function arrange() {
    const tags = page.readTags();
    const stays = (/** @type {string} */ tag) =>
      Date.now() - (settled.get(tag) ?? 0) < STAYS_MS || chips.inUse(tag) || adding === tag;
    const wanted = offered.filter((tag) => {
      if (tags.includes(tag)) return shown.includes(tag) && stays(tag);
      return !items.get(tag)?.dismissed || showDismissed || (shown.includes(tag) && stays(tag));
    });
    const kept = new Set(shown.filter((tag) => wanted.includes(tag) || stays(tag)));
    const fresh = wanted.filter((tag) => !kept.has(tag));
    const filled = shown.map((tag) => (kept.has(tag) ? tag : fresh.shift()));
    shown = /** @type {string[]} */ ([...filled, ...fresh].filter((tag) => tag !== undefined));
  }

  function draw() {
    const tags = page.readTags();
    chips.draw({
      chips: shown.map((tag) => ({ tag, score: items.get(tag)?.score ?? 0, look: lookOf(tag, tags) })),
      busy: state === "asking",
      note: note ?? standingNote(),
    });
    for (const element of chips.takeNew()) views.watch(element);
  }

  /** @param {string} tag @param {string[]} tags @returns {Look} */
  function lookOf(tag, tags) {
    if (tags.includes(tag)) return "chosen";
    if (adding === tag) return "adding";
    return items.get(tag)?.dismissed ? "dismissed" : "offered";
  }

  /** What there is to say while nothing has just happened. @returns {Note | null} */
  function standingNote() {
    if (state === "short") return { text: words("chipsShort") };
    if (state === "away") return { text: words("chipsAway"), action: words("chipsRetry"), run: draft.retry };
    const hidden = offered.filter((tag) => items.get(tag)?.dismissed && !shown.includes(tag));
    if (hidden.length > 0) {
      return { text: words("chipsHidden", hidden.length), action: words("chipsShow"), run: unfold };
    }
    return state === "ready" && shown.length === 0 ? { text: words("chipsNone") } : null;
  }

  function unfold() {
    showDismissed = true;
    arrange();
    draw();
  }

  /** A chip was pressed: add its tag, take it out again, or take a "no" back. @param {string} tag */
  async function act(tag) {
    if (adding !== null) return;
    const tags = page.readTags();
    note = null;
    settled.set(tag, Date.now());
    if (tags.includes(tag)) {
      if (!(await page.removeTag(tag))) tell({ text: words("chipsStays", tag) });
      compareTags();
    } else if (items.get(tag)?.dismissed) {
      items.restored(tag, positionOf(tag));
      chips.announce(words("chipsRestored", tag));
      draw();
    } else if (tags.length >= page.mostTags) {
      tell({ text: words("chipsLimit", page.mostTags) });
    } else {
      await add(tag);
    }
  }

  /** @param {string} tag */
  async function add(tag) {
    adding = tag;
    draw();
    const position = positionOf(tag);
    const taken = await page.addTag(tag);
    adding = null;
    if (life.signal.aborted) return;
    if (taken) {
      items.accepted(tag, position);
      present = page.readTags();
      chips.announce(words("chipsAdded", tag));
      draw();
    } else {
      const copied = () => tell({ text: words("chipsCopied", tag) });
      const run = () => void navigator.clipboard.writeText(tag).then(copied);
      tell({ text: words("chipsRefused", tag), action: words("chipsCopy"), run });
    }
  }

  /** @param {string} tag */
  function dismiss(tag) {
    if (adding === tag) return;
    if (page.readTags().includes(tag) || items.get(tag)?.dismissed) return void act(tag);
    note = null;
    settled.set(tag, Date.now());
    items.dismissed(tag, positionOf(tag));
    chips.announce(words("chipsDismissed", tag));
    draw();
  }

  /** Tags that came by hand show as chosen at once, and stay a while like those that were clicked. */
  function settleChosen() {
    const fresh = page.readTags().filter((tag) => !present.includes(tag));
    if (fresh.length === 0) return;
    for (const tag of fresh) settled.set(tag, Date.now());
    draw();
  }

  /** Compares the page's tags with those when last at rest: what a click brought may have been taken out. */
  function compareTags() {
    clearTimeout(atRest);
    const tags = page.readTags();
    for (const tag of present.filter((tag) => !tags.includes(tag))) {
      items.gone(tag);
      settled.set(tag, Date.now());
    }
    if (note && tags.length < present.length) note = null;
    present = tags;
    draw();
  }

  /** @param {Note} news */
  function tell(news) {
    note = news;
    chips.announce(news.text);
    draw();
  }

  function announceOffer() {
    const tags = shown.filter((tag) => lookOf(tag, present) === "offered");
    chips.announce(tags.length > 0 ? words("chipsOffer", tags.join(", ")) : words("chipsNone"));
  }

  /** @param {string} tag @returns {number} from 1 */
  function positionOf(tag) {
    return shown.indexOf(tag) + 1;
  }
}

/** @param {Location} location */
const siteOf = ({ hostname }) => hostname.replace(/^www\./, "");
