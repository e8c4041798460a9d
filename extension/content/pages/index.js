/** Finds the adapter of the page by its markup: addresses and dates do not tell the generations apart. */

/** @typedef {import("./contract.js").Page} Page */
/** @typedef {import("./contract.js").Adapter} Adapter */

/**
 * The generations by a mark that only they have. An adapter is loaded only where it is needed.
 *
 * @type {{generation: string, mark: string, load: () => Promise<Adapter>}[]}
 */
const GENERATIONS = [
  { generation: "wizard", mark: "form#post-form #problem-details", load: () => import("./wizard.js") },
  { generation: "classic", mark: "form#post-form textarea#wmd-input", load: () => import("./classic.js") },
  {
    // The classic form holds a part of that name too.
    generation: "svelte",
    mark: "#question-form:not(#post-form *) input#filterInput",
    load: () => import("./svelte.js"),
  },
  {
    // The page to edit an answer has it too, but no tags, so its adapter finds nothing there.
    generation: "edit",
    mark: "form:not(#post-form) textarea.js-post-body-field",
    load: () => import("./edit.js"),
  },
];

/** @param {Document} document */
const recognise = (document) => GENERATIONS.find(({ mark }) => document.querySelector(mark));

/** @param {Document} document @returns {string | null} null on unknown markup */
export const getGeneration = (document) => recognise(document)?.generation ?? null;

/** @param {Document} document @returns {Promise<Page | null>} null on unknown markup, and before all of it is there */
export async function findPage(document) {
  const adapter = await recognise(document)?.load();
  return adapter?.find(document) ?? null;
}
