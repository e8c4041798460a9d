/** Remembers what the page's texts were before the browser translated them. */

const LANGUAGE = document.documentElement.lang;

/** @type {WeakMap<Node, string>} by the translated text node, or by the `<font>` that replaces it */
const sources = new WeakMap();

/**
 * Remember the texts that a translation replaces. To be called with every change of what is read.
 *
 * @param {MutationRecord[]} records  with old values
 */
export function recordTranslations(records) {
  /** @type {Map<Node, string>} texts as they were before all of this */
  const before = new Map();
  for (const { type, target, oldValue } of records) {
    if (type === "characterData" && !before.has(target)) before.set(target, oldValue ?? "");
  }
  for (const { removedNodes, addedNodes, previousSibling, nextSibling } of records) {
    const text = Array.from(removedNodes).find(isText);
    const font = [...addedNodes, previousSibling, nextSibling].find(isFont);
    if (text && font && !sources.has(font)) sources.set(font, before.get(text) ?? text.data);
  }
  // Some browsers translate in place; only the document's attributes tell it from a page that changes its texts.
  if (!isTranslated()) return;
  for (const [text, value] of before) if (!sources.has(text)) sources.set(text, value);
}

/**
 * @param {Text} text
 * @returns {string | undefined} undefined if it was translated before we looked
 */
export function getSourceText(text) {
  let outermost = null;
  for (let font = text.parentElement; isFont(font); font = font.parentElement) {
    outermost = font;
    if (sources.has(font)) return sources.get(font);
  }
  return outermost ? undefined : (sources.get(text) ?? text.data);
}

/**
 * @param {Node} root
 * @returns {string | undefined} all its text; undefined where any part of it is known only as translated
 */
export function readSourceText(root) {
  const texts = findTextNodes(root).map(getSourceText);
  return texts.includes(undefined) ? undefined : texts.join("");
}

/** @param {Node} root @returns {Text[]} */
export function findTextNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  return texts;
}

const isTranslated = () =>
  document.documentElement.lang !== LANGUAGE || /(^|\s)translated-/.test(document.documentElement.className);

/** @param {Node | null} node @returns {node is Text} */
const isText = (node) => node?.nodeType === Node.TEXT_NODE;

/** @param {Node | null} node @returns {node is Element} */
const isFont = (node) => node instanceof Element && node.tagName === "FONT";
