/** What the writer does with the chips: take a tag, take it out, say no, say never, swap two, undo each of these. */

import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";

/** @typedef {import("./chips/panel.js").Note} Note */
/** @typedef {import("./chips/panel.js").Step} Step */
/** @typedef {import("./controller.js").Desk} Desk */
/** @typedef {ReturnType<typeof createDeeds>} Deeds */

/** @param {Desk} desk */
export function createDeeds(desk) {
  const { page, items, chips, settled, taken } = desk;
  /** Ends when the page has taken, or refused, what it was asked to: its field holds one tag at a time. */
  let turn = Promise.resolve();

  return { act, dismiss, banish, replace, refuse };

  /** A chip was pressed: add its tag, take it out again, or take a "no" back. @param {string} tag */
  function act(tag) {
    if (desk.underWay.has(tag)) return;
    desk.note = null;
    settled.set(tag, Date.now());
    if (isChosen(tag)) inTurn([tag], () => takeOut(tag));
    else if (items.get(tag)?.dismissed) restore(tag);
    else if (desk.isFull()) offerReplacing(tag);
    else inTurn([tag], () => add(tag), tag);
  }

  /** @param {string} tag */
  function dismiss(tag) {
    if (desk.underWay.has(tag)) return;
    if (isChosen(tag) || items.get(tag)?.dismissed) return act(tag);
    settled.set(tag, Date.now());
    items.dismissed(tag, chips.positionOf(tag));
    tell(dismissedNote(tag));
  }

  /**
   * The writer wants no chip of the tag in any draft: it is dismissed here, and on the list from now on.
   *
   * @param {string} tag
   */
  function banish(tag) {
    if (desk.underWay.has(tag) || desk.never.has(tag)) return;
    settled.set(tag, Date.now());
    const before = items.get(tag)?.dismissed ?? false;
    if (!before) items.dismissed(tag, chips.positionOf(tag));
    desk.never.add(tag);
    keepNever(tag, true);
    tell({ text: getText("chipsNever", tag), ...steps([tag], [undo(() => (before ? allow(tag) : restore(tag)))]) });
  }

  /** Puts the tag in the place of a chosen one. @param {string} tag @param {string} chosen */
  function replace(tag, chosen) {
    desk.note = null;
    settled.set(tag, Date.now());
    inTurn([tag, chosen], () => exchange(chosen, tag), tag);
  }

  /**
   * Works on the page once it is done with what came before; until the end, pressing the tags does nothing.
   *
   * @param {string[]} tags
   * @param {() => Promise<Note | null>} work  what there is to say of it
   * @param {string} [adding]  the tag that the page is asked to take
   */
  function inTurn(tags, work, adding) {
    if (tags.some((tag) => desk.underWay.has(tag))) return;
    for (const tag of tags) desk.underWay.set(tag, tag === adding ? "adding" : "removing");
    desk.draw();
    turn = turn.then(async () => {
      const note = desk.signal.aborted ? null : await work();
      for (const tag of tags) desk.underWay.delete(tag);
      if (!desk.signal.aborted) tell(note);
    });
  }

  /** @param {string} tag @returns {Promise<Note | null>} */
  async function add(tag) {
    const position = chips.positionOf(tag);
    if (page.readTags().length >= page.maxTags) return offerReplacing(tag);
    const name = await page.addTag(tag).catch(() => null);
    if (name === null) return refused(tag);
    take(tag, name, position);
    const text = name === tag ? getText("chipsAdded", tag) : getText("chipsReplaced", name, tag);
    return { text, ...steps([tag], [undo(() => inTurn([tag], () => takeOut(tag)))]) };
  }

  /** @param {string} tag @returns {Promise<Note | null>} */
  async function takeOut(tag) {
    const name = nameOf(tag);
    if (!(await page.removeTag(name).catch(() => false))) return { text: getText("chipsStays", tag) };
    isGone(name);
    chips.announce(getText("chipsRemoved", tag));
    return null;
  }

  /** @param {string} out  a chosen tag @param {string} tag @returns {Promise<Note | null>} */
  async function exchange(out, tag) {
    const [position, offered] = [chips.positionOf(tag), taken.tagOf(out)];
    const accepted = items.get(offered)?.accepted ?? false;
    const name = await swap(out, tag);
    if (typeof name !== "string") return name;
    take(tag, name, position);
    const inverse = async () => {
      const again = await swap(nameOf(tag), out);
      if (typeof again !== "string") return again;
      if (accepted) take(offered, again, chips.positionOf(offered));
      return null;
    };
    const back = undo(() => inTurn([tag, out], inverse, out));
    const text = name === tag ? getText("chipsSwapped", tag, out) : getText("chipsReplaced", name, tag);
    return { text, ...steps([tag, out], [back]) };
  }

  /**
   * Has the page take one tag for another. If it refuses, it gets the first one back, and nothing has happened.
   *
   * @param {string} out
   * @param {string} tag
   * @returns {Promise<string | Note>} the name under which the page shows the tag, or what went wrong
   */
  async function swap(out, tag) {
    // Until it comes back, its absence says nothing of whether the page had taken it.
    taken.settle(taken.tagOf(out));
    if (!(await page.removeTag(out).catch(() => false))) return { text: getText("chipsStays", out) };
    const name = await page.addTag(tag).catch(() => null);
    if (name === null && (await page.addTag(out).catch(() => null)) === out) return refused(tag);
    isGone(out);
    if (name === null) return refused(out);
    desk.present = [...desk.present, name];
    return name;
  }

  /** Counts what the page shows after a press. @param {string} tag @param {string} name @param {number} position */
  function take(tag, name, position) {
    taken.take(tag, name, position);
    // Only this one: what else has changed meanwhile is compared when the page is at rest.
    desk.present = [...new Set([...desk.present, name])];
    if (desk.signal.aborted) taken.settle();
  }

  /** @param {string} name */
  function isGone(name) {
    taken.takenOut(name);
    desk.present = desk.present.filter((other) => other !== name);
  }

  /** The name under which the page shows a tag. @param {string} tag */
  function nameOf(tag) {
    return taken.nameOf(tag, page.readTags()) ?? tag;
  }

  /** @param {string} tag */
  function isChosen(tag) {
    return taken.nameOf(tag, page.readTags()) !== undefined;
  }

  /** The page showed the tag, and then would not have it. @param {string} tag */
  function refuse(tag) {
    tell(refused(tag));
  }

  /** @param {string} tag */
  function restore(tag) {
    if (desk.never.delete(tag)) keepNever(tag, false);
    items.restored(tag, chips.positionOf(tag));
    chips.announce(getText("chipsRestored", tag));
    desk.draw();
  }

  /** The tag may be suggested again in other drafts; in this one it is as dismissed as it was. @param {string} tag */
  function allow(tag) {
    if (desk.never.delete(tag)) keepNever(tag, false);
    tell(dismissedNote(tag));
  }

  /** @param {string} tag @param {boolean} on */
  function keepNever(tag, on) {
    // Once more: the worker may die while it starts.
    const send = () => sendMessage("setTagBlocked", { tag, blocked: on });
    send().catch(send).catch(() => {});
  }

  /** Asks which tag is to make room; nothing else can be done where the page takes no more. @param {string} tag */
  function offerReplacing(tag) {
    desk.draw();
    chips.announce(getText("chipsLimit", page.maxTags));
    chips.offerReplacing(tag);
    return null;
  }

  /** @param {string} tag @returns {Note} */
  function dismissedNote(tag) {
    const never = { label: getText("chipNever"), run: () => banish(tag) };
    return { text: getText("chipsDismissed", tag), ...steps([tag], [undo(() => restore(tag)), never]) };
  }

  /** @param {string} tag @returns {Note} */
  function refused(tag) {
    const copied = () => tell({ text: getText("chipsCopied", tag) });
    const failed = () => tell({ text: getText("chipsNotCopied", tag) });
    const run = () => void navigator.clipboard.writeText(tag).then(copied, failed);
    return { text: getText("chipsRefused", tag), steps: [{ label: getText("chipsCopy"), run }] };
  }

  /** @param {() => void} run  the inverse of the act that the note names @returns {Step} */
  function undo(run) {
    return { label: getText("chipsUndo"), run };
  }

  /**
   * What can be done about an act: only as long as its tags stand as it left them. Whatever else changes one of them
   * (the writer's typing, the page, another tab) ends the offer.
   *
   * @param {[string, ...string[]]} tags
   * @param {Step[]} all
   * @returns {Omit<Note, "text">}
   */
  function steps(tags, all) {
    const state = () => JSON.stringify(tags.map(stateOf));
    const left = state();
    const holds = () => state() === left;
    const once = (/** @type {Step} */ { label, run }) => ({
      label,
      run() {
        if (!holds()) return;
        desk.note = null;
        run();
      },
    });
    return { tag: tags[0], holds, steps: all.map(once) };
  }

  /** How a tag stands. A page that draws its tags anew shows none for a moment. @param {string} tag */
  function stateOf(tag) {
    const chosen = taken.nameOf(tag, [...page.readTags(), ...desk.present]) !== undefined;
    return [chosen, items.get(tag)?.dismissed ?? false, desk.never.has(tag)];
  }

  /** @param {Note | null} news */
  function tell(news) {
    if (news) {
      desk.note = news;
      chips.announce(news.text);
    }
    desk.draw();
  }
}
