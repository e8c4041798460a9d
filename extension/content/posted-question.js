/**
 * A question that the writer submitted from this page, until it is seen posted. Only the navigation that the post
 * itself causes is that: an error on the page, or whatever else the writer does next, withdraws it. It outlives the
 * chips, which a changed setting takes away for a moment.
 */

import { browser } from "../shared/browser.js";
import { getSite } from "../shared/site.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";

/** @typedef {import("../shared/storage-keys.js").Submission} Submission */

/** Where the pages show what is wrong: Stacks' classes, and what assistive technology is told. */
const ERRORS =
  '.d-error, .fc-error, .fc-danger, .has-error, .s-notice__danger, .s-banner__danger, [aria-invalid="true"], ' +
  '[role="alert"], #js-tagnames-validation-message';
const LOOKS = ["class", "style", "hidden", "open", "aria-invalid", "role"];

/** @type {{key: string, over: AbortController} | null} */
let pending = null;

/** Whether a question is on its way from this page. */
export const isPending = () => pending !== null;

/**
 * The question was submitted; it counts once this tab shows it.
 *
 * @param {string} draftId
 * @param {string[]} tags
 */
export function submitted(draftId, tags) {
  pending?.over.abort();
  const over = new AbortController();
  pending = { key: SUBMISSION_PREFIX + draftId, over };
  /** @type {Submission} */
  const posting = { submitted: new Date().toISOString(), tags, site: getSite(location), from: location.pathname };
  // In the page's own name: told to the background, it would be lost if the page went while the worker starts.
  void browser.storage.local.set({ [pending.key]: posting }).catch(() => {});
  watchErrors(location.pathname, over.signal);
  const options = { capture: true, signal: over.signal };
  // Only a person goes on: the page's own scripts tidy fields while they post.
  document.addEventListener("input", (event) => event.isTrusted && withdraw(), options);
  document.addEventListener("click", (event) => event.isTrusted && leavesBy(event) && withdraw(), options);
}

/** The page kept the writer after all, or the writer went elsewhere. */
export function withdraw() {
  if (!pending) return;
  void browser.storage.local.remove(pending.key).catch(() => {});
  forget();
}

/** It was seen posted, or this page begins anew. */
export function forget() {
  pending?.over.abort();
  pending = null;
}

/**
 * Withdraws when the page shows an error that it did not show before.
 *
 * @param {string} path  where it is one of this page: a page of scripts may be another by then
 * @param {AbortSignal} signal
 */
function watchErrors(path, signal) {
  const before = new Map(visibleErrors().map((element) => [element, element.textContent]));
  const observer = new MutationObserver((records) => {
    const touched = (/** @type {Element} */ error) =>
      records.some(({ target }) => target === error || (error.contains(target) && error.textContent !== ""));
    const isNew = (/** @type {Element} */ error) => before.get(error) !== error.textContent || touched(error);
    if (location.pathname === path && visibleErrors().some(isNew)) withdraw();
  });
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: LOOKS });
  signal.addEventListener("abort", () => observer.disconnect());
}

/** An empty element says nothing; a field that is marked as wrong has no text of its own. */
const visibleErrors = () =>
  Array.from(document.querySelectorAll(ERRORS)).filter(
    (element) => element.checkVisibility() && (element.textContent?.trim() !== "" || element.ariaInvalid === "true"),
  );

/** Whether a click leads this tab to another page, by a link. @param {Event} event */
function leavesBy(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  return link instanceof HTMLAnchorElement && link.target !== "_blank" && !link.href.includes("#");
}
