/** What an adapter of a page must offer; everything else of the content script knows this contract only. */

/**
 * @typedef {object} Listener  told by a page until the signal aborts
 * @property {() => void} changed  title, body or tags may have changed; often, cheap to hear
 * @property {(tag: string) => void} takenOut  the tag is about to go by hand; one that goes untold, by the page's doing
 * @property {() => void} posting  the writer submitted; the tags are final as read now
 */

/**
 * @typedef {object} Page  one form to write a question in, found in the document
 * @property {string} generation  "classic", "wizard", "svelte" or "edit"; goes to the service as `page`
 * @property {"ask" | "edit"} kind
 * @property {Element[]} parts  what it stands on: once one of them has left the document, the page has to be found anew
 * @property {number} mostTags  that the page takes
 * @property {() => {title: string, body: string, body_format: "markdown" | "html" | "text"}} readDraft
 * @property {() => string[]} readTags  as the page shows them, in order
 * @property {(tag: string) => Promise<string | null>} addTag  the tag that the page then shows as its own: this one,
 *   or the one it puts in a synonym's place; null, with all as it was, if it takes none. Keys, half-typed text, caret
 *   and focus stay with the writer all the time.
 * @property {(tag: string) => Promise<boolean>} removeTag  by the page's own means; true once it is gone
 * @property {(host: HTMLElement) => void} place  puts our element under the tag field, outside every editor;
 *   again at no cost while it is there
 * @property {() => void} focusTags  leads the keyboard back to the tag field
 * @property {(listener: Listener, signal: AbortSignal) => void} observe
 */

/**
 * @typedef {object} Adapter
 * @property {(document: Document) => Page | null} find  null where a part is missing, or the tags cannot be written yet;
 *   never throws, changes nothing
 */

export {};
