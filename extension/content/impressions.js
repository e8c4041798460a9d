/** Tells which chips were really seen: half in sight, tab in front, for 750 ms. */

const HALF = 0.5;
const LONG_ENOUGH_MS = 750;

/**
 * @param {(element: Element) => void} seen  called once for each time that an element was looked at long enough
 * @param {AbortSignal} signal
 * @returns {{watch: (element: Element) => void}}
 */
export function watchViews(seen, signal) {
  /** @type {Map<Element, ReturnType<typeof setTimeout> | undefined>} in sight, with their timers */
  const inSight = new Map();

  const start = (/** @type {Element} */ element) => {
    clearTimeout(inSight.get(element));
    const inFront = document.visibilityState === "visible";
    inSight.set(element, inFront ? setTimeout(() => seen(element), LONG_ENOUGH_MS) : undefined);
  };
  const stop = (/** @type {Element} */ element) => {
    clearTimeout(inSight.get(element));
    inSight.delete(element);
  };

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio } of entries) {
        if (intersectionRatio >= HALF) start(target);
        else stop(target);
      }
    },
    { threshold: HALF },
  );
  document.addEventListener("visibilitychange", () => [...inSight.keys()].forEach(start), { signal });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    [...inSight.keys()].forEach(stop);
  });

  return {
    /** Watches from now on; a repeated call starts the time anew. */
    watch(element) {
      observer.unobserve(element);
      observer.observe(element);
    },
  };
}
