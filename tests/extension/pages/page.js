// What the pages of this folder share: options, theme, messages, stored drafts, posting.

/**
 * The address says how the page behaves: `unknown` tags it refuses, the `synonym` in whose place it puts "python" (both
 * `judged` so many ms after it has shown them), how `slowly` (ms) and whether by `keys-only` it takes others, how long
 * (ms) its `search` takes, whether it draws its tag field anew (`redraw`) and takes the keyboard (`refocus`) with each
 * tag, `mode` of its editor, `fresh` or `late` with its kept draft, `staging` or `router` for where it leads.
 */
export const options = new URLSearchParams(location.search);
export const judgedMs = Number(options.get("judged") ?? 0);

/** Tags that this site does not know. A test may add some later: it does not know which ones will be suggested. */
export const unknownTags = new Set((options.get("unknown") ?? "").split(",").filter(Boolean));
window.unknownTags = unknownTags;

/** Returns the tag that the site makes of what was typed. */
export const resolveSynonym = (tag) => (tag === options.get("synonym") ? "python" : tag);

if (options.has("theme")) document.body.className = options.get("theme");
if (options.has("dir")) document.documentElement.dir = options.get("dir");

export const $ = (selector, within = document) => within.querySelector(selector);

export const knownTags = ["python", "pandas", "dataframe", "numpy", "javascript", "java", "join", "merge", "postgresql"];

/** Replaces an input by a new one; what is typed in it stays. */
export function redrawInput(input, put) {
  const focused = document.activeElement === input;
  const fresh = input.cloneNode();
  const { value, selectionStart, selectionEnd } = input;
  put(fresh);
  fresh.value = value;
  if (focused) fresh.focus();
  fresh.setSelectionRange(selectionStart, selectionEnd);
}

export function showMessage(element, text) {
  element.textContent = text;
  element.hidden = text === "";
}

/** Stores the draft as the site does, so that a reload restores it. */
export function keepDraft(key, read, show) {
  const restore = () => {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null");
    if (kept && !options.has("fresh")) show(kept);
  };
  if (options.has("late")) setTimeout(restore, 300);
  else restore();
  return {
    save: () => localStorage.setItem(key, JSON.stringify(read())),
    forget: () => localStorage.removeItem(key),
  };
}

/** Sends the question, and opens the page to which the site leads its writer. */
export async function post(address, fields, number = options.get("number") ?? "79000001") {
  await fetch(address, { method: "POST", body: new URLSearchParams(fields) });
  const question = options.has("staging") ? `/staging-ground/${number}` : `/questions/${number}/how-do-i-merge`;
  if (options.has("router")) {
    // As a page of scripts does: the address changes, and the document stays.
    history.pushState(null, "", question);
    document.querySelector("main").innerHTML = "<h1>A question</h1>";
  } else location.href = question;
}

/** Checks the site's rules; returns messages by field, empty where all is well. */
export function findErrors({ title, body, tags }, minBody = 30) {
  return {
    title: title.trim().length < 15 ? "Title must be at least 15 characters." : "",
    body: body.trim().length < minBody ? `Body must be at least ${minBody} characters.` : "",
    tags: tags.length === 0 ? "Please enter at least one tag." : "",
  };
}
