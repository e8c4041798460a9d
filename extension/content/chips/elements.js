/** Makes the few kinds of elements that the chips are built of. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} element @param {string} className */
export function make(element, className) {
  const made = document.createElement(element);
  if (className) made.className = className;
  return made;
}

/** @param {string} className @returns {HTMLButtonElement} */
export function button(className) {
  const made = /** @type {HTMLButtonElement} */ (make("button", className));
  made.type = "button";
  return made;
}

/**
 * Writes only what is new: nothing flickers, and nothing is read out again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} path @param {number} size */
export function icon(path, size) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
