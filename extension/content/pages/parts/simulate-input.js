/** Does on a page what its writer's hands would: types, presses keys, and keeps the keyboard where it was. */

/** @typedef {{value: string, start: number, end: number, direction: "forward" | "backward" | "none"}} Text */

/** The element with the keyboard, also inside a shadow root; null where nothing has it. */
export function focusedElement() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element === document.body ? null : element;
}

/**
 * Remembers the keyboard's place and the caret in it.
 *
 * @param {Element | null} [element]
 * @returns {() => void} gives it back
 */
export function rememberPlace(element = focusedElement()) {
  const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection() ?? {};
  const editable = element instanceof HTMLElement && element.isContentEditable;
  return () => {
    if (element === focusedElement()) return;
    if (element === null) return void (/** @type {HTMLElement | null} */ (focusedElement())?.blur());
    if (!(element instanceof HTMLElement) || !element.isConnected) return;
    element.focus({ preventScroll: true });
    // A text field keeps its own caret; that of an editor is the document's, and has gone with the focus.
    if (!editable || !anchorNode?.isConnected || !focusNode?.isConnected) return;
    getSelection()?.setBaseAndExtent(anchorNode, anchorOffset ?? 0, focusNode, focusOffset ?? 0);
  };
}

/** @param {HTMLInputElement} input @returns {Text} */
export function textOf(input) {
  const { value, selectionStart, selectionEnd, selectionDirection } = input;
  const [start, end] = [selectionStart ?? value.length, selectionEnd ?? value.length];
  return { value, start, end, direction: selectionDirection ?? "none" };
}

/** @param {HTMLInputElement} input @param {Text} text */
export function putText(input, { value, start, end, direction }) {
  if (input.value !== value) type(input, value);
  if (input.selectionStart !== start || input.selectionEnd !== end) input.setSelectionRange(start, end, direction);
}

/**
 * Sets an input's value so that the page notices: by the native setter, which no framework has replaced.
 *
 * @param {HTMLInputElement} input
 * @param {string} value
 */
export function type(input, value) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, value);
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/** @param {HTMLElement} element @param {" " | "Enter"} key */
export function press(element, key) {
  const keyCode = key === " " ? 32 : 13;
  const init = { key, code: key === " " ? "Space" : key, keyCode, which: keyCode, bubbles: true, cancelable: true };
  for (const type of ["keydown", "keyup"]) element.dispatchEvent(new KeyboardEvent(type, init));
}
