/** Hands events to the background, which keeps them on disk: in order, each once, even if it dies meanwhile. */

import { say } from "../say.js";

/** @typedef {import("../messages.js").ItemEvent} ItemEvent */

const FIRST_WAIT_MS = 200;
const TRIES = 8;

/** @returns {(event: Omit<ItemEvent, "id" | "occurred_at">) => void} */
export function createRecorder() {
  /** @type {ItemEvent[]} not yet known to be on disk, oldest first */
  let unsaved = [];

  /** Each message carries all that is unsaved, so order holds; the background knows repeated ids. */
  async function save(tries = 1) {
    const batch = unsaved;
    if (batch.length === 0) return;
    try {
      await say("record", { events: batch });
      unsaved = unsaved.filter((event) => !batch.includes(event));
    } catch {
      if (tries < TRIES) setTimeout(save, FIRST_WAIT_MS * 2 ** tries, tries + 1);
    }
  }

  return (event) => {
    unsaved = [...unsaved, { id: crypto.randomUUID(), occurred_at: new Date().toISOString(), ...event }];
    void save();
  };
}
