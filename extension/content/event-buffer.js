/** Passes events on in their order, and holds back those about a tag that the page may still refuse. */

/** @typedef {import("./items.js").RecordEvent} RecordEvent */
/** @typedef {{event: Parameters<RecordEvent>[0], held: boolean}} Entry */
/** @typedef {{confirm: () => void, discard: () => void}} HeldEvents */

/**
 * @param {RecordEvent} record
 * @param {(events: object[]) => void} saveHeld  stores the events that are held back
 */
export function createEventBuffer(record, saveHeld) {
  /** @type {Entry[]} */
  let entries = [];
  /** @type {Entry[] | null} those of the `hold` that runs */
  let holding = null;
  /** Whether events that are held back are stored. */
  let saved = false;

  function release() {
    while (entries[0]?.held === false) record(/** @type {Entry} */ (entries.shift()).event);
    if (saved || entries.length > 0) saveHeld(entries.map(({ event }) => event));
    saved = entries.length > 0;
  }

  return {
    /** @type {RecordEvent} */
    record(event) {
      const stamped = { id: crypto.randomUUID(), occurred_at: new Date().toISOString(), ...event };
      const entry = { event: stamped, held: holding !== null };
      entries.push(entry);
      holding?.push(entry);
      release();
    },

    /** Hold back the events of `act` and all that come later. @param {() => void} act @returns {HeldEvents} */
    hold(act) {
      /** @type {Entry[]} */
      const held = (holding = []);
      act();
      holding = null;
      const end = (/** @type {boolean} */ happened) => {
        if (!happened) entries = entries.filter((entry) => !held.includes(entry));
        for (const entry of held) entry.held = false;
        release();
      };
      return { confirm: () => end(true), discard: () => end(false) };
    },
  };
}
