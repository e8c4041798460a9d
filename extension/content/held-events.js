/** Lets events through in their order, and holds one back until it is sure that it happened. */

/** @typedef {import("./items.js").Record} Record */
/** @typedef {{event: Parameters<Record>[0], held: boolean}} Entry */
/** @typedef {{keep: () => void, drop: () => void}} Held */

/** @param {Record} record */
export function holdEvents(record) {
  /** @type {Entry[]} */
  let waiting = [];
  /** @type {Entry[] | null} */
  let holding = null;

  function release() {
    while (waiting[0]?.held === false) record(/** @type {Entry} */ (waiting.shift()).event);
  }

  return {
    /** @type {Record} */
    record(event) {
      const entry = { event: { occurred_at: new Date().toISOString(), ...event }, held: holding !== null };
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
