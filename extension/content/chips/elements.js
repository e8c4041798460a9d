/** Creates the few kinds of elements that the chips consist of. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name @param {string} [className] */
export function createElement(name, className) {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}

/** @param {string} [className] @returns {HTMLButtonElement} */
export function createButton(className) {
  const button = /** @type {HTMLButtonElement} */ (createElement("button", className));
  button.type = "button";
  return button;
}

/**
 * Set an element's text only if it differs: so nothing flickers, and a screen reader reads nothing twice.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} path @param {number} size */
export function createIcon(path, size) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
