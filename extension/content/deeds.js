/** What the writer does with the chips: take a tag, take it out, say no, say never, and take each of these back. */

import { words } from "../browser.js";
import { say } from "../say.js";

/** @typedef {import("./chips.js").Note} Note */
/** @typedef {import("./mount.js").Desk} Desk */
/** @typedef {ReturnType<typeof createDeeds>} Deeds */

/** @param {Desk} desk */
export function createDeeds(desk) {
  const { page, items, chips, settled } = desk;
  /** Ends when the page has taken, or refused, what it was asked to: its field holds one tag at a time. */
  let turn = Promise.resolve();

  return { act, dismiss, banish };

  /** A chip was pressed: add its tag, take it out again, or take a "no" back. @param {string} tag */
  async function act(tag) {
    if (desk.adding.has(tag)) return;
    const tags = page.readTags();
    desk.note = null;
    settled.set(tag, Date.now());
    if (tags.includes(tag)) {
      const gone = await page.removeTag(tag).catch(() => false);
      if (!gone) return tell({ text: words("chipsStays", tag) });
      items.gone(tag);
      desk.present = desk.present.filter((other) => other !== tag);
      chips.announce(words("chipsRemoved", tag));
      desk.draw();
    } else if (items.get(tag)?.dismissed) {
      if (desk.never.delete(tag)) keepNever(tag, false);
      items.restored(tag, chips.positionOf(tag));
      chips.announce(words("chipsRestored", tag));
      desk.draw();
    } else {
      desk.adding.add(tag);
      desk.draw();
      turn = turn.finally(() => add(tag));
    }
  }

  /** @param {string} tag */
  async function add(tag) {
    if (desk.signal.aborted) return;
    const position = chips.positionOf(tag);
    const full = page.readTags().length >= page.mostTags;
    const shown = full ? null : await page.addTag(tag).catch(() => null);
    desk.adding.delete(tag);
    if (desk.signal.aborted) return;
    if (full) {
      tell({ text: words("chipsLimit", page.mostTags) });
    } else if (shown === tag) {
      items.accepted(tag, position);
      // Only this one: what else has changed meanwhile is compared when the page is at rest.
      desk.present = [...desk.present, tag];
      tell({ text: words("chipsAdded", tag), steps: [undo(tag)], tag });
    } else if (shown !== null) {
      tell({ text: words("chipsReplaced", shown, tag) });
    } else {
      const copied = () => tell({ text: words("chipsCopied", tag) });
      const failed = () => tell({ text: words("chipsNotCopied", tag) });
      const run = () => void navigator.clipboard.writeText(tag).then(copied, failed);
      tell({ text: words("chipsRefused", tag), steps: [{ label: words("chipsCopy"), run }] });
    }
  }

  /** @param {string} tag */
  function dismiss(tag) {
    if (desk.adding.has(tag)) return;
    if (page.readTags().includes(tag) || items.get(tag)?.dismissed) return void act(tag);
    settled.set(tag, Date.now());
    items.dismissed(tag, chips.positionOf(tag));
    const forever = { label: words("chipNever"), run: () => banish(tag) };
    tell({ text: words("chipsDismissed", tag), steps: [undo(tag), forever], tag });
  }

  /**
   * The writer wants no chip of the tag in any draft: it is dismissed here, and on the list from now on.
   *
   * @param {string} tag
   */
  function banish(tag) {
    if (desk.adding.has(tag) || desk.never.has(tag)) return;
    settled.set(tag, Date.now());
    if (!items.get(tag)?.dismissed) items.dismissed(tag, chips.positionOf(tag));
    desk.never.add(tag);
    keepNever(tag, true);
    tell({ text: words("chipsNever", tag), steps: [undo(tag)], tag });
  }

  /** @param {string} tag @param {boolean} on */
  function keepNever(tag, on) {
    // Once more: the worker may die while it starts.
    say("never", { tag, on }).catch(() => say("never", { tag, on })).catch(() => {});
  }

  /** @param {string} tag @returns {import("./chips.js").Step} */
  function undo(tag) {
    return { label: words("chipsUndo"), run: () => void act(tag) };
  }

  /** @param {Note} news */
  function tell(news) {
    desk.note = news;
    chips.announce(news.text);
    desk.draw();
  }
}
