/**
 * A question that the writer submitted from this page, until the tab shows it as posted. Only the navigation that the
 * submission itself causes counts: an error on the page, or whatever else the writer does next, withdraws it. It
 * outlives the chips, which a changed setting removes for a moment.
 */

import { browser } from "../shared/browser.js";
import { getSite } from "../shared/site.js";
import { SUBMISSION_PREFIX } from "../shared/storage-keys.js";
import { isQuestion, reportQuestion } from "./question-page.js";

/** @typedef {import("../shared/storage-keys.js").Submission} Submission */
/** @typedef {Event & {navigationType: string | null, from: {url: string | null}}} AddressChange */

/** Where pages show what is wrong: by Stacks' classes, and by what assistive technology reads. */
const ERRORS =
  '.d-error, .fc-error, .fc-danger, .has-error, .s-notice__danger, .s-banner__danger, [aria-invalid="true"], ' +
  '[role="alert"], #js-tagnames-validation-message';
const ERROR_ATTRIBUTES = ["class", "style", "hidden", "open", "aria-invalid", "role"];

/** @type {{key: string, lifetime: AbortController} | null} */
let pending = null;

/** Whether a question was submitted from this page, and neither posted nor withdrawn yet. */
export const isSubmissionPending = () => pending !== null;

/**
 * Remember that the question was submitted; it counts once this tab shows it.
 *
 * @param {string} draftId
 * @param {string[]} tags
 */
export function trackSubmission(draftId, tags) {
  pending?.lifetime.abort();
  const lifetime = new AbortController();
  pending = { key: SUBMISSION_PREFIX + draftId, lifetime };
  /** @type {Submission} */
  const submission = { submitted: new Date().toISOString(), tags, site: getSite(location), from: location.pathname };
  // Stored by the page itself: sent to the background, it would be lost if the page went while the worker starts.
  void browser.storage.local.set({ [pending.key]: submission }).catch(() => {});
  watchErrors(location.pathname, lifetime.signal);
  const options = { capture: true, signal: lifetime.signal };
  // Only trusted events: the page's own scripts clear fields while they post.
  document.addEventListener("input", (event) => event.isTrusted && withdrawSubmission(), options);
  document.addEventListener("click", (event) => event.isTrusted && isLink(event) && withdrawSubmission(), options);
}

/**
 * The page's address is another one: if a question was submitted, and this is no move in the history, it may be that of
 * the question.
 *
 * @param {string} path
 * @param {AddressChange} change
 */
export async function onLeave(path, { navigationType, from }) {
  if (!pending) return;
  if (navigationType === "traverse" || !isQuestion(path)) return withdrawSubmission();
  forgetSubmission();
  await reportQuestion(path, new URL(from.url ?? "", location.href).pathname);
}

/** The question was not posted after all: the page refused it, or the writer went elsewhere. */
export function withdrawSubmission() {
  if (!pending) return;
  void browser.storage.local.remove(pending.key).catch(() => {});
  forgetSubmission();
}

/** The question was seen posted, or this page begins anew. */
export function forgetSubmission() {
  pending?.lifetime.abort();
  pending = null;
}

/**
 * Withdraw the submission when the page shows an error that it did not show before.
 *
 * @param {string} path  of this page: a page of scripts may be another one by the time of an error
 * @param {AbortSignal} signal
 */
function watchErrors(path, signal) {
  const before = new Map(findVisibleErrors().map((element) => [element, element.textContent]));
  const observer = new MutationObserver((records) => {
    const isChanged = (/** @type {Element} */ error) =>
      records.some(({ target }) => target === error || (error.contains(target) && error.textContent !== ""));
    const isNew = (/** @type {Element} */ error) => before.get(error) !== error.textContent || isChanged(error);
    if (location.pathname === path && findVisibleErrors().some(isNew)) withdrawSubmission();
  });
  const changes = { subtree: true, childList: true, characterData: true, attributeFilter: ERROR_ATTRIBUTES };
  observer.observe(document, changes);
  signal.addEventListener("abort", () => observer.disconnect());
}

/** An empty element is no error, except for a field marked as invalid, which has no text of its own. */
const findVisibleErrors = () =>
  Array.from(document.querySelectorAll(ERRORS)).filter(
    (element) => element.checkVisibility() && (element.textContent?.trim() !== "" || element.ariaInvalid === "true"),
  );

/** Whether a click leads this tab to another page. @param {Event} event */
function isLink(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  return link instanceof HTMLAnchorElement && link.target !== "_blank" && !link.href.includes("#");
}
