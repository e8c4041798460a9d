/** What the adapter of a page must provide. The rest of the content script knows a page by this contract only. */

/**
 * @typedef {object} Listener  called by a page until the signal aborts
 * @property {() => void} changed  title, body or tags may have changed; called often, so it must be cheap
 * @property {(tag: string) => void} removing  the writer is removing the tag; others are removed by the page
 * @property {() => void} posting  the writer submitted the form; the tags are final as read now
 */

/**
 * @typedef {object} Page  one form to write a question in, found in the document
 * @property {string} generation  "classic", "wizard", "svelte" or "edit"; sent to the service as `page`
 * @property {"ask" | "edit"} kind
 * @property {Element[]} parts  once one of them has left the document, the page has to be found anew
 * @property {number} maxTags  the most that a question can have
 * @property {() => {title: string, body: string, body_format: "markdown" | "html" | "text"}} readDraft
 * @property {() => string[]} readTags  as the page shows them, in order
 * @property {(tag: string) => Promise<string | null>} addTag  resolves to the tag that the page then shows: this one,
 *   or the one it puts in a synonym's place; null, with all as it was, if it takes none. Keys, half-typed text, caret
 *   and focus stay with the writer all the time.
 * @property {(tag: string) => Promise<boolean>} removeTag  by the page's own means; resolves to true once it is gone
 * @property {(host: HTMLElement) => void} place  puts our element under the tag field, outside every editor;
 *   calling it again is cheap while it is there
 * @property {() => void} focusTags  moves the focus back to the tag field
 * @property {(listener: Listener, signal: AbortSignal) => void} observe
 */

/**
 * @typedef {object} Adapter
 * @property {(document: Document) => Page | null} find  null where a part is missing or no tags can be written yet;
 *   never throws, changes nothing
 */

export {};
