/** Detects which chips the writer has seen: at least half of it in the viewport of a visible tab for 750 ms. */

const HALF = 0.5;
const LONG_ENOUGH_MS = 750;

/**
 * @param {(element: Element) => void} onView  called once for each time that an element was seen long enough
 * @param {AbortSignal} signal
 * @returns {{watch: (element: Element) => void}}
 */
export function watchImpressions(onView, signal) {
  /** @type {Map<Element, ReturnType<typeof setTimeout> | undefined>} elements in the viewport, with their timers */
  const timers = new Map();

  const start = (/** @type {Element} */ element) => {
    clearTimeout(timers.get(element));
    const visible = document.visibilityState === "visible";
    timers.set(element, visible ? setTimeout(() => onView(element), LONG_ENOUGH_MS) : undefined);
  };
  const stop = (/** @type {Element} */ element) => {
    clearTimeout(timers.get(element));
    timers.delete(element);
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
  document.addEventListener("visibilitychange", () => [...timers.keys()].forEach(start), { signal });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    [...timers.keys()].forEach(stop);
  });

  return {
    /** Watch an element from now on; a repeated call starts its time anew. */
    watch(element) {
      observer.unobserve(element);
      observer.observe(element);
    },
  };
}
