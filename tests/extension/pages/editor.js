// The real Stacks editor, as the site puts it into its pages.
import { options } from "./page.js";

const RICH = 0;
const MARKDOWN = 1;

/** Puts an editor into `container`; `changed` is called after each change of its text or its mode. */
export function createEditor(container, markdown, changed) {
  const defaultView = options.get("mode") === "rich" ? RICH : MARKDOWN;
  const editor = new window.stacksEditor.StacksEditor(container, markdown, { defaultView });
  let last = editor.content;
  new MutationObserver(() => {
    if (editor.content === last) return;
    last = editor.content;
    changed(last);
  }).observe(container, { childList: true, subtree: true, characterData: true });
  return editor;
}
