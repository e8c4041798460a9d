/** Reads a post's body, from a Markdown textarea or from a Stacks editor in whichever of its modes. */

import { sourceOf } from "./source-text.js";

/** @typedef {{body: string, body_format: "markdown" | "html"}} Body */

/** What a post is made of; all else in an editor is the editor's own, or another extension's. */
const IN_A_POST = new Set(
  ("A B BLOCKQUOTE BR CODE DD DEL DETAILS DIV DL DT EM FONT H1 H2 H3 H4 H5 H6 HR I KBD LI OL P PRE S SPAN STRIKE " +
    "STRONG SUB SUMMARY SUP TABLE TBODY TD TH THEAD TR UL").split(" "),
);
/** Blocks of HTML are shown as they are, and edited in Markdown only: the editor makes widgets of them. */
const HTML_BLOCK = ".html_block, .html_block_container, .ProseMirror-widget:not(div, span)";
const NOT_IN_A_POST =
  ".js-language-input, .ProseMirror-trailingBreak, [aria-hidden='true'], " +
  `:is(.ProseMirror-widget, [contenteditable='false']):not(${HTML_BLOCK}, a)`;
/** Boxes say nothing by themselves, and whoever adds something to a page adds boxes: only the editor's own are read. */
const BOX = "div, span";
const OWN_BOX =
  ".html_block, .html_block_container, .ProseMirror-contentdom, .s-table-container, [softbreak], [class^='hljs'], " +
  ":has(> pre), :not([class], [id], [style])";

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
  return source ? markdown(textOf(source)) : { body: htmlOf(editor), body_format: "html" };
}

/** @param {string} body @returns {Body} */
const markdown = (body) => ({ body, body_format: "markdown" });

/** The content without attributes; empty where nothing is written. @param {Element} editor @returns {string} */
function htmlOf(editor) {
  return textOf(editor).trim() ? Array.from(editor.childNodes, htmlOfNode).join("") : "";
}

/** @param {Node} node @returns {string} */
function htmlOfNode(node) {
  if (isText(node)) return escaped(writtenText(node));
  if (!isWritten(node)) return "";
  const name = node.tagName.toLowerCase();
  if (name === "br" || name === "hr") return `<${name}>`;
  const content = Array.from(node.childNodes, htmlOfNode).join("");
  return name === "font" ? content : `<${name}>${content}</${name}>`;
}

/** @param {Node} node @returns {string} */
function textOf(node) {
  return Array.from(node.childNodes, (child) => {
    if (isText(child)) return writtenText(child);
    return isWritten(child) ? textOf(child) : "";
  }).join("");
}

/** @param {Text} text */
const writtenText = (text) => sourceOf(text) ?? text.data;

/** @param {Node} node @returns {node is Text} */
const isText = (node) => node.nodeType === Node.TEXT_NODE;

/** Whether an element in the editor is part of the post. @param {Node} node @returns {node is Element} */
function isWritten(node) {
  if (!(node instanceof Element) || !IN_A_POST.has(node.tagName) || node.matches(NOT_IN_A_POST)) return false;
  return !node.matches(BOX) || node.matches(OWN_BOX);
}
