/** The tags that a page shows as chosen, whatever it makes their chips of. */

import { sourceOf, textsIn } from "./source-text.js";

/**
 * @typedef {object} Chosen
 * @property {Element} root  holds the tag field, and stays when the page draws the field anew
 * @property {string} chip  selector of one chosen tag in it
 * @property {string} button  selector of a chip's own delete
 * @property {string} [hidden]  selector of the input with the names that are posted
 */

const TAG = /^[a-z0-9.+#-]{1,35}$/;
const LINK = /\/(?:questions\/tagged|tags)\/([^/?#]+)/;
const NOT_THE_NAME = "button, [role='button'], .s-tag--dismiss, .js-delete-tag, .delete-tag, .v-visible-sr, svg";

/** @param {Chosen} chosen @returns {Element[]} */
const chipsOf = ({ root, chip }) => Array.from(root.querySelectorAll(chip));

/** In the page's order; by its data first, since texts may be translated. @param {Chosen} chosen @returns {string[]} */
export function namesOf(chosen) {
  const posted = postedNames(chosen);
  const names = posted.length > 0 ? posted : chipsOf(chosen).map(nameOf);
  return [...new Set(names.filter(Boolean))];
}

/** @param {Chosen} chosen @param {string} tag @returns {Element | undefined} the chip of the tag */
export function chipOf(chosen, tag) {
  return chipsOf(chosen).find((chip) => tagOf(chosen, chip) === tag);
}

/** @param {Chosen} chosen @param {Element} chip */
export function tagOf(chosen, chip) {
  const [chips, posted] = [chipsOf(chosen), postedNames(chosen)];
  return (chips.length === posted.length && posted[chips.indexOf(chip)]) || nameOf(chip);
}

/**
 * Finds the names that a page has put in the place of others: between two that stayed, as many as there were.
 *
 * @param {string[]} before
 * @param {string[]} after
 * @returns {[string, string][]} what was, and what is
 */
export function replacements(before, after) {
  const stays = (/** @type {string} */ name) => before.includes(name) && after.includes(name);
  const gaps = (/** @type {string[]} */ names) => {
    /** @type {string[][]} */
    const all = [[]];
    for (const name of names) stays(name) ? all.push([]) : all.at(-1)?.push(name);
    return all;
  };
  const fresh = gaps(after);
  return gaps(before).flatMap((gone, index) => {
    const names = fresh[index] ?? [];
    if (gone.length !== names.length) return [];
    return gone.map((was, place) => /** @type {[string, string]} */ ([was, names[place]]));
  });
}

/** @param {Chosen} chosen @returns {string[]} empty where the page keeps no such input, or has not filled it */
function postedNames({ root, hidden }) {
  const input = hidden && root.querySelector(hidden);
  return input instanceof HTMLInputElement ? input.value.split(/[^a-z0-9.+#-]+/).filter((name) => TAG.test(name)) : [];
}

/** @param {Element} chip */
function nameOf(chip) {
  const texts = textsIn(chip);
  const own = texts.filter((text) => text.parentElement === chip);
  const nested = texts.filter((text) => !text.parentElement?.closest(NOT_THE_NAME));
  // A text of the chip's own comes first: what other scripts put beside the name is an element of theirs.
  return nameInData(chip) || nameInLink(chip) || nameInTexts(own) || nameInTexts(nested);
}

/** @param {Element} chip */
function nameInData(chip) {
  for (const element of [chip, ...chip.querySelectorAll("[data-tag], [data-tag-name], [data-tagname]")]) {
    const { tag, tagName, tagname } = /** @type {HTMLElement} */ (element).dataset;
    const name = [tagName, tagname, tag].find((value) => value !== undefined && TAG.test(value));
    if (name) return name;
  }
  return "";
}

/** @param {Element} chip */
function nameInLink(chip) {
  const link = chip.matches("a[href]") ? chip : chip.querySelector("a[href*='/tagged/'], a[href*='/tags/']");
  const name = LINK.exec(link?.getAttribute("href") ?? "")?.[1] ?? "";
  try {
    return TAG.test(decodeURIComponent(name)) ? decodeURIComponent(name) : "";
  } catch {
    return "";
  }
}

/** The one word that can be a tag: a number beside it is a count that another script put there. @param {Text[]} texts */
function nameInTexts(texts) {
  const words = texts.flatMap((text) => (sourceOf(text) ?? "").trim().split(/\s+/)).filter((word) => TAG.test(word));
  const names = words.length > 1 ? words.filter((word) => /[a-z]/.test(word)) : words;
  return names.length === 1 ? /** @type {string} */ (names[0]) : "";
}
