/** Reads a post's body, from a Markdown textarea or from a Stacks editor in whichever of its modes. */

/** @typedef {{body: string, body_format: "markdown" | "html"}} Body */

/** What a post is made of; all else in an editor is the editor's own, or another extension's. */
const OF_A_POST = new Set(
  ("A B BLOCKQUOTE BR CODE DD DEL DIV DL DT EM H1 H2 H3 H4 H5 H6 HR I KBD LI OL P PRE S SPAN STRIKE STRONG " +
    "SUB SUP TABLE TBODY TD TH THEAD TR UL").split(" "),
);
const NOT_OF_A_POST = ".js-language-input, .ProseMirror-widget, .ProseMirror-trailingBreak";

/** Text as HTML writes it. @param {string} text */
export const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/**
 * Looks anew each time: the editor is destroyed and made again when the writer changes its mode.
 *
 * @param {Element} container  holds the textarea, the editor, or both: then the textarea backs the editor
 * @returns {Body}
 */
export function readBody(container) {
  const textarea = container.querySelector("textarea.js-post-body-field");
  if (textarea instanceof HTMLTextAreaElement && textarea.value !== "") return markdown(textarea.value);
  const editor = container.querySelector('.js-editor, [role="textbox"][contenteditable="true"]');
  if (!editor) return markdown("");
  const source = editor.querySelector(":scope > pre.markdown > code");
  return source ? markdown(source.textContent ?? "") : { body: htmlOf(editor), body_format: "html" };
}

/** @param {string} body @returns {Body} */
const markdown = (body) => ({ body, body_format: "markdown" });

/** The content without attributes; empty where nothing is written. @param {Element} editor @returns {string} */
function htmlOf(editor) {
  const html = Array.from(editor.childNodes, partOf).join("");
  return editor.textContent?.trim() ? html : "";
}

/** @param {Node} node @returns {string} */
function partOf(node) {
  if (node.nodeType === Node.TEXT_NODE) return escaped(node.textContent ?? "");
  if (!(node instanceof Element) || !OF_A_POST.has(node.tagName) || node.matches(NOT_OF_A_POST)) return "";
  const name = node.tagName.toLowerCase();
  if (name === "br" || name === "hr") return `<${name}>`;
  return `<${name}>${Array.from(node.childNodes, partOf).join("")}</${name}>`;
}
