/** Simulates a writer's input in a page's field: text, keys; and restores the focus and the caret afterwards. */

/** @typedef {{value: string, start: number, end: number, direction: "forward" | "backward" | "none"}} InputText */

/** Return the focused element, also inside a shadow root; null where nothing has the focus. */
export function getFocusedElement() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element === document.body ? null : element;
}

/**
 * Remember the focused element and the caret in it; return a function that restores both.
 *
 * @param {Element | null} [element]
 * @returns {() => void}
 */
export function saveFocus(element = getFocusedElement()) {
  const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection() ?? {};
  const editable = element instanceof HTMLElement && element.isContentEditable;
  return () => {
    if (element === getFocusedElement()) return;
    if (element === null) return void (/** @type {HTMLElement | null} */ (getFocusedElement())?.blur());
    if (!(element instanceof HTMLElement) || !element.isConnected) return;
    element.focus({ preventScroll: true });
    // A text field keeps its own caret; that of an editor is the document's, and has gone with the focus.
    if (!editable || !anchorNode?.isConnected || !focusNode?.isConnected) return;
    getSelection()?.setBaseAndExtent(anchorNode, anchorOffset ?? 0, focusNode, focusOffset ?? 0);
  };
}

/** Return the input's text with its selection. @param {HTMLInputElement} input @returns {InputText} */
export function saveText(input) {
  const { value, selectionStart, selectionEnd, selectionDirection } = input;
  const [start, end] = [selectionStart ?? value.length, selectionEnd ?? value.length];
  return { value, start, end, direction: selectionDirection ?? "none" };
}

/** @param {HTMLInputElement} input @param {InputText} text */
export function restoreText(input, { value, start, end, direction }) {
  if (input.value !== value) setValue(input, value);
  if (input.selectionStart !== start || input.selectionEnd !== end) input.setSelectionRange(start, end, direction);
}

/**
 * Set an input's value so that the page notices: by the native setter, which no framework has replaced.
 *
 * @param {HTMLInputElement} input
 * @param {string} value
 */
export function setValue(input, value) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, value);
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/** @param {HTMLElement} element @param {" " | "Enter"} key */
export function pressKey(element, key) {
  const keyCode = key === " " ? 32 : 13;
  const init = { key, code: key === " " ? "Space" : key, keyCode, which: keyCode, bubbles: true, cancelable: true };
  for (const type of ["keydown", "keyup"]) element.dispatchEvent(new KeyboardEvent(type, init));
}
