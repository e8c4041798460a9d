/** Watches a form for its page: what changes in it, and whether it is posted. */

import { keepSources } from "./source-text.js";

/** @typedef {import("./contract.js").Listener} Listener */

/**
 * @param {Element} form
 * @param {Element[]} parts  that change by script too, without an input event
 * @param {Pick<Listener, "changed">} listener
 * @param {AbortSignal} signal
 */
export function watchChanges(form, parts, { changed }, signal) {
  form.addEventListener("input", changed, { capture: true, signal });
  const observer = new MutationObserver((records) => {
    keepSources(records);
    changed();
  });
  const everything = { childList: true, subtree: true, characterData: true, characterDataOldValue: true };
  for (const part of parts) observer.observe(part, everything);
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * @param {Element} form
 * @param {"submit" | "click"} type
 * @param {(event: Event) => boolean} posts  whether an event of that type, anywhere, posts the form
 * @param {Pick<Listener, "posting" | "withdrawn">} listener
 * @param {AbortSignal} signal
 */
export function watchPosting(form, type, posts, { posting, withdrawn }, signal) {
  const options = { capture: true, signal };
  let submitted = false;
  const wentOn = (/** @type {Event} */ event) => {
    // Only a person goes on: the page's own scripts tidy fields while they post.
    if (!submitted || !event.isTrusted) return;
    if (event.type === "click" && !leavesBy(event)) return;
    submitted = false;
    withdrawn();
  };
  document.addEventListener(type, (event) => posts(event) && ((submitted = true), posting()), options);
  form.addEventListener("input", wentOn, options);
  document.addEventListener("click", wentOn, options);
}

/** Whether a click leads this tab to another page, by a link. @param {Event} event */
function leavesBy(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  return link instanceof HTMLAnchorElement && link.target !== "_blank" && !link.href.includes("#");
}
