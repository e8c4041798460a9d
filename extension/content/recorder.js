/** Stores events in their order, each once, and tells the background that they are there. */

import { browser } from "../shared/browser.js";
import { sendMessage } from "../shared/messaging.js";
import { EVENT_PREFIX, HELD_EVENTS_PREFIX } from "../shared/storage-keys.js";

/** @typedef {import("../shared/protocol.js").ItemEvent} ItemEvent */

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 60_000;

/**
 * The page itself stores the events: sent to the background in a message, they would be lost if the page closed and
 * the worker died at the same moment.
 *
 * @returns {{record: (event: Omit<ItemEvent, "id" | "occurred_at">) => void, saveHeld: (events: object[]) => void}}
 */
export function createRecorder() {
  const page = `${Date.now()}.${crypto.randomUUID()}`;
  let count = 0;
  /** @type {Record<string, ItemEvent>} by key; not yet known to be stored */
  let unsaved = {};

  /** Store all that is unsaved each time, so that the order holds; the background knows repeated ids. */
  async function save(attempt = 1) {
    const batch = unsaved;
    try {
      const full = await browser.storage.local.set(batch).then(() => false, () => true);
      if (!full) forget(batch);
      await sendMessage("eventsStored", full ? { unsaved: batch } : {});
      forget(batch);
    } catch {
      // No answer: try again, unless the extension was updated or removed while the page is open.
      if (browser.runtime?.id) setTimeout(save, Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS), attempt + 1);
    }
  }

  /** @param {Record<string, ItemEvent>} saved */
  function forget(saved) {
    unsaved = Object.fromEntries(Object.entries(unsaved).filter(([key]) => !(key in saved)));
  }

  return {
    record(event) {
      const stamped = { id: crypto.randomUUID(), occurred_at: new Date().toISOString(), ...event };
      unsaved = { ...unsaved, [`${EVENT_PREFIX}${page}.${String(++count).padStart(6, "0")}`]: stamped };
      void save();
    },

    /** Store what is held back, so that a browser that is killed loses none of it. @param {object[]} events */
    saveHeld(events) {
      if (!browser.runtime?.id) return;
      const [{ local }, key] = [browser.storage, HELD_EVENTS_PREFIX + page];
      const saved = events.length > 0 ? local.set({ [key]: { at: Date.now(), events } }) : local.remove(key);
      // On a full disk the events are recorded once they are confirmed, or not at all.
      saved.catch(() => {});
    },
  };
}
