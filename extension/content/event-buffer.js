/** Lets events through in their order, and holds one back until it is sure that it happened. */

/** @typedef {import("./items.js").Record} Record */
/** @typedef {{event: Parameters<Record>[0], held: boolean}} Entry */
/** @typedef {{keep: () => void, drop: () => void}} Held */

/**
 * @param {Record} record
 * @param {(events: object[]) => void} keepHeld  puts what waits on disk
 */
export function holdEvents(record, keepHeld) {
  /** @type {Entry[]} */
  let waiting = [];
  /** @type {Entry[] | null} */
  let holding = null;

  /** Whether something that waits is on disk. */
  let kept = false;

  function release() {
    while (waiting[0]?.held === false) record(/** @type {Entry} */ (waiting.shift()).event);
    if (kept || waiting.length > 0) keepHeld(waiting.map(({ event }) => event));
    kept = waiting.length > 0;
  }

  return {
    /** @type {Record} */
    record(event) {
      const made = { id: crypto.randomUUID(), occurred_at: new Date().toISOString() };
      const entry = { event: { ...made, ...event }, held: holding !== null };
      waiting.push(entry);
      holding?.push(entry);
      release();
    },

    /** Holds what `act` records, and with it all that comes after. @param {() => void} act @returns {Held} */
    hold(act) {
      /** @type {Entry[]} */
      const mine = (holding = []);
      act();
      holding = null;
      const end = (/** @type {boolean} */ happened) => {
        if (!happened) waiting = waiting.filter((entry) => !mine.includes(entry));
        for (const entry of mine) entry.held = false;
        release();
      };
      return { keep: () => end(true), drop: () => end(false) };
    },
  };
}
