/**
 * The words of a prepared text: what the patterns WORD, PART and NAME_PART of `model/serving/text.py`
 * match. All three are plain ASCII, and each answer waits for them, so they are read here without a pattern. Their
 * places are in one flat array, start and end in turn, since a body has hundreds of them.
 */

const UPPER = 1;
const LOWER = 2;
const DIGIT_OR_SIGN = 4;
const UNDERSCORE = 8;
const LETTER = UPPER | LOWER;
const IN_PART = LOWER | DIGIT_OR_SIGN;
const IN_NAME = UPPER | IN_PART;
const IN_WORD = IN_NAME | UNDERSCORE;

const DOT = ".".charCodeAt(0);
const DASH = "-".charCodeAt(0);
const KINDS = new Uint8Array(128);
for (let code = 0; code < KINDS.length; code++) {
  const character = String.fromCharCode(code);
  if (/[A-Z]/.test(character)) KINDS[code] = UPPER;
  else if (/[a-z]/.test(character)) KINDS[code] = LOWER;
  else if (/[0-9#+]/.test(character)) KINDS[code] = DIGIT_OR_SIGN;
  else if (character === "_") KINDS[code] = UNDERSCORE;
}

/**
 * @param {string} text
 * @returns {number[]} dots and dashes only inside a word, or a dot before it: `C#`, `.NET`, `node.js`, `asp.net-mvc`
 */
export function findWords(text) {
  /** @type {number[]} */
  const words = [];
  for (let i = 0; i < text.length; ) {
    const start = i;
    if (text.charCodeAt(i) === DOT) i++;
    let end = skip(text, i, IN_WORD, text.length);
    if (end === i) {
      i = start + 1;
      continue;
    }
    for (let after = end; isJoint(text, end); end = after) {
      after = skip(text, end + 1, IN_WORD, text.length);
      if (after === end + 1) break;
    }
    words.push(start, end);
    i = end;
  }
  return words;
}

/**
 * @param {string} text
 * @param {number} [from]
 * @param {number} [to]
 * @returns {number[]} `DataFrame.read_csv` has `Data`, `Frame`, `read` and `csv`
 */
export function findParts(text, from = 0, to = text.length) {
  /** @type {number[]} */
  const parts = [];
  for (let i = from; i < to; ) {
    const isUpper = is(text, i, UPPER);
    let end = skip(text, isUpper ? i + 1 : i, IN_PART, to);
    if (isUpper && end === i + 1) end = skip(text, end, UPPER, to);
    if (end > i) parts.push(i, end);
    i = Math.max(end, i + 1);
  }
  return parts;
}

/**
 * @param {string} text
 * @param {number} [from]
 * @param {number} [to]
 * @returns {number[]} the parts in which names are looked for: `DataFrame.read_csv` has `DataFrame`, `read` and `csv`
 */
export function findNameParts(text, from = 0, to = text.length) {
  /** @type {number[]} */
  const parts = [];
  for (let i = from; i < to; ) {
    const end = skip(text, i, IN_NAME, to);
    if (end > i) parts.push(i, end);
    i = Math.max(end, i + 1);
  }
  return parts;
}

/**
 * @param {string} word
 * @returns {boolean} whether a word is its own only part: letters of one case, after a capital or not
 */
export function isSinglePart(word) {
  const lower = skip(word, 0, LETTER, word.length) === word.length;
  return (
    lower &&
    (skip(word, 1, LOWER, word.length) === word.length || skip(word, 0, UPPER, word.length) === word.length)
  );
}

/**
 * @param {string} text
 * @param {number} i
 */
function isJoint(text, i) {
  const code = text.charCodeAt(i);
  return code === DOT || code === DASH;
}

/**
 * @param {string} text
 * @param {number} i
 * @param {number} kinds
 */
function is(text, i, kinds) {
  return ((KINDS[text.charCodeAt(i)] ?? 0) & kinds) !== 0;
}

/**
 * @param {string} text
 * @param {number} i
 * @param {number} kinds
 * @param {number} to
 * @returns {number} the first place from `i` that is not of these kinds
 */
function skip(text, i, kinds, to) {
  while (i < to && is(text, i, kinds)) i++;
  return i;
}
