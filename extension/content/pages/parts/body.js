/** Reads a post's body from a Markdown textarea, or from a Stacks editor in either of its modes. */

import { getSourceText } from "./source-text.js";

/** @typedef {{body: string, body_format: "markdown" | "html"}} Body */

/** The elements of a post; all else in an editor is the editor's own, or another extension's. */
const POST_ELEMENTS = new Set(
  ("A B BLOCKQUOTE BR CODE DD DEL DETAILS DIV DL DT EM FONT H1 H2 H3 H4 H5 H6 HR I KBD LI OL P PRE S SPAN STRIKE " +
    "STRONG SUB SUMMARY SUP TABLE TBODY TD TH THEAD TR UL").split(" "),
);
/** Blocks of HTML are shown as they are, and edited in Markdown only: the editor makes widgets of them. */
const HTML_BLOCK = ".html_block, .html_block_container, .ProseMirror-widget:not(div, span)";
const EDITOR_UI =
  ".js-language-input, .ProseMirror-trailingBreak, [aria-hidden='true'], " +
  `:is(.ProseMirror-widget, [contenteditable='false']):not(${HTML_BLOCK}, a)`;
/** A container means nothing by itself, and other extensions add containers: only the editor's own are read. */
const CONTAINER = "div, span";
const EDITOR_CONTAINER =
  ".html_block, .html_block_container, .ProseMirror-contentdom, .s-table-container, [softbreak], [class^='hljs'], " +
  ":has(> pre), :not([class], [id], [style])";

/** @param {string} text */
export const escapeHtml = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/**
 * Return the body as it is now. The editor is looked up each time: the page destroys it and makes another when the
 * writer changes its mode.
 *
 * @param {Element} container  contains the textarea, the editor, or both: then the textarea backs the editor
 * @returns {Body}
 */
export function readBody(container) {
  const textarea = container.querySelector("textarea.js-post-body-field");
  if (textarea instanceof HTMLTextAreaElement && textarea.value !== "") return markdown(textarea.value);
  const editor = container.querySelector('.js-editor, [role="textbox"][contenteditable="true"]');
  if (!editor) return markdown("");
  const source = editor.querySelector(":scope > pre.markdown > code");
  return source ? markdown(readText(source)) : { body: readHtml(editor), body_format: "html" };
}

/** @param {string} body @returns {Body} */
const markdown = (body) => ({ body, body_format: "markdown" });

/** The content without attributes; empty where nothing is written. @param {Element} editor @returns {string} */
function readHtml(editor) {
  return readText(editor).trim() ? Array.from(editor.childNodes, serialize).join("") : "";
}

/** @param {Node} node @returns {string} */
function serialize(node) {
  if (isText(node)) return escapeHtml(readTextNode(node));
  if (!isPostContent(node)) return "";
  const name = node.tagName.toLowerCase();
  if (name === "br" || name === "hr") return `<${name}>`;
  const content = Array.from(node.childNodes, serialize).join("");
  return name === "font" ? content : `<${name}>${content}</${name}>`;
}

/** @param {Node} node @returns {string} */
function readText(node) {
  return Array.from(node.childNodes, (child) => {
    if (isText(child)) return readTextNode(child);
    return isPostContent(child) ? readText(child) : "";
  }).join("");
}

/** @param {Text} text */
const readTextNode = (text) => getSourceText(text) ?? text.data;

/** @param {Node} node @returns {node is Text} */
const isText = (node) => node.nodeType === Node.TEXT_NODE;

/** Whether a node in the editor is an element of the post. @param {Node} node @returns {node is Element} */
function isPostContent(node) {
  if (!(node instanceof Element) || !POST_ELEMENTS.has(node.tagName) || node.matches(EDITOR_UI)) return false;
  return !node.matches(CONTAINER) || node.matches(EDITOR_CONTAINER);
}
