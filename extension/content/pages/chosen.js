/** The tags that a page shows as chosen, whatever it makes their chips of. */

/** @typedef {{field: Element, selector: string}} Chosen  where the chips are, and what they are */

/** @param {Chosen} chosen @returns {Element[]} */
export const chipsOf = ({ field, selector }) => Array.from(field.querySelectorAll(selector));

/** In the page's order. @param {Chosen} chosen @returns {string[]} */
export const namesOf = (chosen) => chipsOf(chosen).map(nameOf).filter((name) => name !== "");

/** A chip's name is its first text; what follows is its delete button. @param {Element} chip */
export function nameOf(chip) {
  const texts = document.createTreeWalker(chip, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const name = texts.currentNode.textContent?.trim();
    if (name) return name;
  }
  return "";
}
