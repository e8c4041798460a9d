/** Reads the tags that a page shows as chosen, whatever elements it shows them with. */

import { findTextNodes, getSourceText } from "./source-text.js";

/**
 * @typedef {object} TagList  where a page shows its chosen tags
 * @property {Element} root  contains the tag field, and stays when the page draws the field anew
 * @property {string} tag  selector of the element of one chosen tag in it
 * @property {string} removeButton  selector of the button with which the page removes a tag
 * @property {string} [hiddenInput]  selector of the input with the names that are posted
 */

const TAG_NAME = /^[a-z0-9.+#-]{1,35}$/;
const TAG_LINK = /\/(?:questions\/tagged|tags)\/([^/?#]+)/;
const NOT_A_NAME = "button, [role='button'], .s-tag--dismiss, .js-delete-tag, .delete-tag, .v-visible-sr, svg";

/** @param {TagList} list @returns {Element[]} */
const findTagElements = ({ root, tag }) => Array.from(root.querySelectorAll(tag));

/**
 * Return the chosen tags in the page's order; from the hidden input if there is one, since texts may be translated.
 *
 * @param {TagList} list
 * @returns {string[]}
 */
export function readTagNames(list) {
  const posted = readHiddenInput(list);
  const names = posted.length > 0 ? posted : findTagElements(list).map(readElement);
  return [...new Set(names.filter(Boolean))];
}

/** @param {TagList} list @param {string} tag @returns {Element | undefined} the page's element of the tag */
export function findTagElement(list, tag) {
  return findTagElements(list).find((element) => readTagName(list, element) === tag);
}

/** @param {TagList} list @param {Element} element  of one chosen tag */
export function readTagName(list, element) {
  const [elements, posted] = [findTagElements(list), readHiddenInput(list)];
  return (elements.length === posted.length && posted[elements.indexOf(element)]) || readElement(element);
}

/** @param {TagList} list @returns {string[]} empty where the page has no such input, or has not filled it */
function readHiddenInput({ root, hiddenInput }) {
  const input = hiddenInput && root.querySelector(hiddenInput);
  if (!(input instanceof HTMLInputElement)) return [];
  return input.value.split(/[^a-z0-9.+#-]+/).filter((name) => TAG_NAME.test(name));
}

/** @param {Element} element */
function readElement(element) {
  const texts = findTextNodes(element);
  const own = texts.filter((text) => text.parentElement === element);
  const nested = texts.filter((text) => !text.parentElement?.closest(NOT_A_NAME));
  // The element's own text comes first: what other scripts put beside the name is in an element of theirs.
  return readDataset(element) || readLink(element) || readTexts(own) || readTexts(nested);
}

/** @param {Element} element */
function readDataset(element) {
  for (const part of [element, ...element.querySelectorAll("[data-tag], [data-tag-name], [data-tagname]")]) {
    const { tag, tagName, tagname } = /** @type {HTMLElement} */ (part).dataset;
    const name = [tagName, tagname, tag].find((value) => value !== undefined && TAG_NAME.test(value));
    if (name) return name;
  }
  return "";
}

/** @param {Element} element */
function readLink(element) {
  const link = element.matches("a[href]") ? element : element.querySelector("a[href*='/tagged/'], a[href*='/tags/']");
  const name = TAG_LINK.exec(link?.getAttribute("href") ?? "")?.[1] ?? "";
  try {
    return TAG_NAME.test(decodeURIComponent(name)) ? decodeURIComponent(name) : "";
  } catch {
    return "";
  }
}

/** Return the word that can be a tag: a number beside it is a count by another script. @param {Text[]} texts */
function readTexts(texts) {
  const words = texts.flatMap((text) => (getSourceText(text) ?? "").trim().split(/\s+/));
  const candidates = words.filter((word) => TAG_NAME.test(word));
  const names = candidates.length > 1 ? candidates.filter((word) => /[a-z]/.test(word)) : candidates;
  return names.length === 1 ? /** @type {string} */ (names[0]) : "";
}
