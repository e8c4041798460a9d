/** Puts on disk what happened to the chips, in order and each once, and tells the background that it is there. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { EVENT_PREFIX, HELD_EVENTS_PREFIX } from "../shared/storage-keys.js";

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 60_000;

/**
 * The page itself puts events on disk: what the background were told in a message would be lost if the page
 * closed and the worker died in the same moment.
 *
 * @returns {{record: (event: Omit<ItemEvent, "id" | "occurred_at">) => void, keepHeld: (events: object[]) => void}}
 */
export function createRecorder() {
  const page = `${Date.now()}.${crypto.randomUUID()}`;
  let count = 0;
  /** @type {Record<string, ItemEvent>} by key; not yet known to be on disk */
  let unsaved = {};

  /** Each time all that is unsaved, so order holds; the background knows repeated ids. */
  async function save(tries = 1) {
    const batch = unsaved;
    try {
      const full = await browser.storage.local.set(batch).then(() => false, () => true);
      if (!full) forget(batch);
      await sendMessage("eventsStored", full ? { unsaved: batch } : {});
      forget(batch);
    } catch {
      // No answer: tried again while the extension is there at all, not updated or removed under the page's feet.
      if (browser.runtime?.id) setTimeout(save, Math.min(FIRST_WAIT_MS * 2 ** tries, LONGEST_WAIT_MS), tries + 1);
    }
  }

  /** @param {Record<string, ItemEvent>} saved */
  function forget(saved) {
    unsaved = Object.fromEntries(Object.entries(unsaved).filter(([key]) => !(key in saved)));
  }

  return {
    record(event) {
      const told = { id: crypto.randomUUID(), occurred_at: new Date().toISOString(), ...event };
      unsaved = { ...unsaved, [`${EVENT_PREFIX}${page}.${String(++count).padStart(6, "0")}`]: told };
      void save();
    },

    /** Puts on disk what is held back, so that a browser that is killed loses none of it. @param {object[]} events */
    keepHeld(events) {
      if (!browser.runtime?.id) return;
      const [{ local }, key] = [browser.storage, HELD_EVENTS_PREFIX + page];
      const kept = events.length > 0 ? local.set({ [key]: { at: Date.now(), events } }) : local.remove(key);
      // On a full disk it is told later, or not at all.
      kept.catch(() => {});
    },
  };
}
