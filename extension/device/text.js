/**
 * The preparation of a draft's text for the model: the rules of `model/serving/text.py`, where their reasons are.
 * Lengths are counted in code points, as there.
 */

import { findWords } from "./words.js";

/**
 * @typedef {"markdown" | "html" | "text"} BodyFormat
 * @typedef {Map<string, string>} Entities  HTML's, by their names without `&`, with and without a semicolon as HTML has
 *   them
 */

const TITLE_CHARS = 300;
const BODY_CHARS = 50_000;
const FEATURE_CHARS = 3_000;

// Tags that stand inside a line: all others end a word.
const INLINE = new Set(
  "a abbr b big code del em font i ins kbd mark s samp small span strike strong sub sup tt u var".split(" "),
);
const TAG_NAME = /\/?([a-zA-Z][a-zA-Z0-9]{0,15})/y;
const ENTITY = /&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?/g;
const LINK = /(!?)\[([^[\]\n]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^[\]\n]{0,100}\])/gu;
// Only \n ends a line here, and a space is what Python takes for one.
const NO_SPACE = "[^\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const REFERENCE = new RegExp(`(?<![^\\n]) {0,3}\\[[^[\\]\\n]{1,100}\\]: ?${NO_SPACE}[^\\n]*`, "gu");

const FOREIGN = /[^\0-\x7f]/;
const EVERY_FOREIGN = /[^\0-\x7f]/gu;
const EVERY_LONE_SURROGATE = /\p{Surrogate}/gu;
const SHARP_AFTER_LETTER = /(?<=[a-zA-Z])\u266f/g;
/** Characters whose plain form is not NFKC's: code points, so that a reader sees which. */
const OWN_FORMS = new Map([
  ["\u2010", "-"],
  ["\u2011", "-"],
  ["\u2120", " "],
  ["\u2122", " "],
  ...["\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff"].map(
    (invisible) => /** @type {[string, string]} */ ([invisible, ""]),
  ),
]);
const CHANGES = new RegExp(`[\u266f${[...OWN_FORMS.keys()].join("")}]`);

/**
 * @param {string} title
 * @param {string} body
 * @param {BodyFormat} bodyFormat
 * @param {() => Entities} entities
 * @returns {{title: string, body: string}} both as plain text in plain characters, cut to what the model reads
 */
export function prepareText(title, body, bodyFormat, entities) {
  return {
    title: cut(plainCharacters(readTitle(title)), TITLE_CHARS),
    body: cut(plainCharacters(readBody(body, bodyFormat, entities)), FEATURE_CHARS),
  };
}

/**
 * @param {string} title
 * @param {string} body
 * @param {BodyFormat} bodyFormat
 * @param {() => Entities} entities
 * @returns {Map<string, string>} how the writer spelled the words that `plainCharacters` changed, by their plain form
 */
export function originalSpellings(title, body, bodyFormat, entities) {
  const spellings = new Map();
  for (const text of [readTitle(title), readBody(body, bodyFormat, entities)]) {
    const plain = plainCharacters(text);
    if (plain === text) continue;
    /** @type {[number, number][]} */
    const origin = [];
    let begin = 0;
    for (const character of text) {
      const end = begin + character.length;
      for (let units = plainForm(character).length; units > 0; units--) origin.push([begin, end]);
      begin = end;
    }
    const places = findWords(plain);
    for (let i = 0; i < places.length; i += 2) {
      const [first = 0, after = 0] = places.slice(i, i + 2);
      const word = plain.slice(first, after);
      if (!spellings.has(word)) spellings.set(word, text.slice(origin[first]?.[0], origin[after - 1]?.[1]));
    }
  }
  return spellings;
}

/**
 * Each character in its plain form: NFKC, and ♯ as # after a letter. Character by character, so that a letter and an
 * accent typed after it stay separate.
 *
 * @param {string} text
 */
export function plainCharacters(text) {
  if (!FOREIGN.test(text) || (!CHANGES.test(text) && text === text.normalize("NFKC"))) return text;
  return text.replace(EVERY_FOREIGN, plainForm).replace(SHARP_AFTER_LETTER, "#");
}

/** @param {string} character */
function plainForm(character) {
  return OWN_FORMS.get(character) ?? character.normalize("NFKC");
}

/** @param {string} title */
function readTitle(title) {
  return encodable(cut(title, TITLE_CHARS));
}

/**
 * @param {string} body
 * @param {BodyFormat} bodyFormat
 * @param {() => Entities} entities
 */
function readBody(body, bodyFormat, entities) {
  let text = encodable(cut(body, BODY_CHARS));
  if (bodyFormat === "html") text = withoutEntities(withoutTags(text), entities);
  else if (bodyFormat === "markdown") text = withoutEntities(withoutLinks(text), entities);
  return encodable(cut(text, FEATURE_CHARS));
}

/**
 * NUL as a space, a lone surrogate as a question mark.
 *
 * @param {string} text
 */
function encodable(text) {
  return text.replaceAll("\0", " ").replace(EVERY_LONE_SURROGATE, "?");
}

/**
 * @param {string} text
 * @param {number} chars
 */
function cut(text, chars) {
  if (text.length <= chars) return text;
  let units = 0;
  for (let n = 0; n < chars && units < text.length; n++) units += isPair(text, units) ? 2 : 1;
  return text.slice(0, units);
}

/**
 * @param {string} text
 * @param {number} i
 */
function isPair(text, i) {
  return (text.codePointAt(i) ?? 0) > 0xffff;
}

/**
 * @param {string} html
 * @returns {string} a text without tags and comments, long enough for what is read of it
 */
function withoutTags(html) {
  let text = "";
  let chars = 0;
  let position = 0;
  // Entities become shorter when they are decoded, at most from 33 characters to 1 and mostly from 5 to 1.
  while (position < html.length && chars < 2 * FEATURE_CHARS) {
    const opening = html.indexOf("<", position);
    if (opening < 0) return text + html.slice(position);
    text += html.slice(position, opening);
    chars += countChars(html, position, opening);
    if (html.startsWith("<!--", opening)) {
      const closing = html.indexOf("-->", opening + 4);
      if (closing < 0) return text;
      position = closing + 3;
      continue;
    }
    TAG_NAME.lastIndex = opening + 1;
    const name = TAG_NAME.exec(html)?.[1];
    const closing = name === undefined ? opening : html.indexOf(">", opening + 1);
    if (closing < 0) return text + html.slice(opening);
    position = closing + 1;
    if (name === undefined) text += "<";
    else if (!INLINE.has(name.toLowerCase())) text += "\n";
  }
  return text;
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} end
 * @returns {number} the code points between two places
 */
function countChars(text, start, end) {
  let chars = 0;
  for (let i = start; i < end; i += isPair(text, i) ? 2 : 1) chars++;
  return chars;
}

/** @param {string} markdown */
function withoutLinks(markdown) {
  if (!markdown.includes("[")) return markdown;
  return markdown.replace(LINK, (_, picture, words) => (picture ? "" : words)).replace(REFERENCE, "");
}

/**
 * @param {string} text
 * @param {() => Entities} entities
 */
function withoutEntities(text, entities) {
  return text.replace(ENTITY, (entity, reference) => {
    if (reference.startsWith("#")) return decodeNumber(reference);
    return decodeName(entity.slice(1), entities()) ?? entity;
  });
}

/**
 * By HTML's rules for numeric character references (html.spec.whatwg.org, "numeric character reference end state"), but
 * what no character stands for goes, as Python's `html.unescape` has it.
 *
 * @param {string} reference  like `#38` or `#x26`
 */
function decodeNumber(reference) {
  const hexadecimal = /^#[xX]/.test(reference);
  const code = parseInt(reference.slice(hexadecimal ? 2 : 1), hexadecimal ? 16 : 10);
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  if (code === 0x0d) return "\r";
  if (code >= 0x80 && code <= 0x9f) return new TextDecoder("windows-1252").decode(Uint8Array.of(code));
  const isControl = code < 0x09 || code === 0x0b || (code >= 0x0e && code < 0x20) || code === 0x7f;
  const isNoCharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return isControl || isNoCharacter ? "" : String.fromCodePoint(code);
}

/**
 * @param {string} name  with its semicolon, if it has one
 * @param {Entities} entities
 * @returns {string | undefined} the entity, or the longest one that the name begins with and what follows it
 */
function decodeName(name, entities) {
  for (let length = name.length; length > 1; length--) {
    const character = entities.get(name.slice(0, length));
    if (character !== undefined) return character + name.slice(length);
  }
  return undefined;
}
