/**
 * The hash tables of a model file: `model/serving/hash_tables.py` lays them out and describes them.
 *
 * @typedef {import("./model-file.js").ModelFile} ModelFile
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const PARENT_FACTOR = 0x9e3779b1;
const MIX_FACTOR = 0x85ebca6b;

const A = "A".charCodeAt(0);
const Z = "Z".charCodeAt(0);
const TO_LOWER_CASE = 32;

/** The numbers of strings in lower case. */
export class StringTable {
  #text;
  #starts;
  #slots;
  #mask;

  /**
   * @param {ModelFile} file
   * @param {string} name  what its sections' names begin with
   */
  constructor(file, name) {
    this.#text = file.section(`${name}_text`);
    this.#starts = file.section(`${name}_starts`);
    this.#slots = file.section(`${name}_slots`);
    this.#mask = this.#slots.length - 1;
  }

  get size() {
    return this.#starts.length - 1;
  }

  /**
   * @param {string} text
   * @param {number} [start]
   * @param {number} [end]
   * @returns {number} the number of a part of the text, whatever the case of its ASCII letters, or -1
   */
  find(text, start = 0, end = text.length) {
    let hash = FNV_START;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ lowerCode(text, i), FNV_PRIME);
    hash ^= hash >>> 15;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const number = this.#slots[slot] - 1;
      if (number < 0 || this.#equals(number, text, start, end)) return number;
    }
  }

  /**
   * @param {number} number
   * @returns {string} the string with a number
   */
  get(number) {
    let string = "";
    for (let i = this.#starts[number]; i < this.#starts[number + 1]; i++) string += String.fromCharCode(this.#text[i]);
    return string;
  }

  /**
   * @param {number} number
   * @param {string} text
   * @param {number} start
   * @param {number} end
   */
  #equals(number, text, start, end) {
    const first = this.#starts[number];
    if (this.#starts[number + 1] - first !== end - start) return false;
    for (let i = start; i < end; i++) {
      if (this.#text[first + i - start] !== lowerCode(text, i)) return false;
    }
    return true;
  }
}

/** The runs of words that have a meaning, as nodes: a word is a node by its own number, the others follow. */
export class RunTable {
  #words;
  #parents;
  #lasts;
  #slots;
  #mask;

  /**
   * @param {ModelFile} file
   * @param {number} words  how many words there are
   */
  constructor(file, words) {
    this.#words = words;
    this.#parents = file.section("run_parent");
    this.#lasts = file.section("run_word");
    this.#slots = file.section("run_slots");
    this.#mask = this.#slots.length - 1;
  }

  /**
   * @param {number} node
   * @param {number} word
   * @returns {number} the node of a run and one more word, or -1
   */
  extend(node, word) {
    let hash = Math.imul(Math.imul(node, PARENT_FACTOR) ^ word, MIX_FACTOR);
    hash ^= hash >>> 15;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const number = this.#slots[slot] - 1;
      if (number < 0) return -1;
      if (this.#lasts[number] === word && this.#parents[number] === node) return this.#words + number;
    }
  }

  /**
   * @param {number} node
   * @returns {number[]} the words of a run, the last one first
   */
  words(node) {
    const words = [];
    while (node >= this.#words) {
      words.push(this.#lasts[node - this.#words]);
      node = this.#parents[node - this.#words];
    }
    words.push(node);
    return words;
  }
}

/**
 * @param {string} text
 * @param {number} i
 */
function lowerCode(text, i) {
  const code = text.charCodeAt(i);
  return code >= A && code <= Z ? code + TO_LOWER_CASE : code;
}
