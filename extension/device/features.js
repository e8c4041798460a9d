/**
 * What of a text the model knows: features, which are words and runs of words, and tag names.
 *
 * @typedef {import("./model-file.js").ModelFile} ModelFile
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

import { RunTable, StringTable } from "./tables.js";
import { findNameParts, findParts, findWords } from "./words.js";

/**
 * @typedef {object} Runs  runs of words found in a text, by rising numbers
 * @property {number[]} numbers  which runs of the pool they are
 * @property {number[]} nodes  which runs of the table they are
 * @property {number[]} counts
 *
 * @typedef {object} Field  what a title or a body has
 * @property {Runs} features  by their numbers among those of the title and the body
 * @property {Float32Array} values  the features' weights in the text, whose squares add up to 1
 * @property {Runs} names  tag names
 */

/** Which runs of a pool a text has, and how often. */
class RunCounter {
  #numbers;
  #first;
  #counts;
  /** @type {number[]} */
  #nodes = [];

  /**
   * @param {Numbers} numbers  each node's number in the pool + 1, or 0
   * @param {number} size  of the pool
   * @param {number} [first]  what the pool's first run is counted as
   */
  constructor(numbers, size, first = 0) {
    this.#numbers = numbers;
    this.#first = first;
    this.#counts = new Uint16Array(size + 1);
  }

  /** @param {number} node */
  add(node) {
    const number = this.#numbers[node];
    if (number === 0) return;
    if (this.#counts[number] === 0) this.#nodes.push(node);
    this.#counts[number] = /** @type {number} */ (this.#counts[number]) + 1;
  }

  /** @returns {Runs} what was added since the last time */
  take() {
    const nodes = this.#nodes.sort((a, b) => this.#numbers[a] - this.#numbers[b]);
    this.#nodes = [];
    const numbers = nodes.map((node) => this.#first + this.#numbers[node] - 1);
    const counts = nodes.map((node) => this.#counts[this.#numbers[node]] ?? 0);
    for (const node of nodes) this.#counts[this.#numbers[node]] = 0;
    return { numbers, nodes, counts };
  }
}

/** Finds features and tag names in prepared texts. */
export class FeatureReader {
  words;
  runs;
  #idf;
  #fields;

  /** @param {ModelFile} file */
  constructor(file) {
    this.words = new StringTable(file, "word");
    this.runs = new RunTable(file, this.words.size);
    this.#idf = file.section("idf");
    const inTitle = file.header.title_features;
    this.#fields = {
      title: makeCounters(file, "title", 0, inTitle),
      body: makeCounters(file, "body", inTitle, this.#idf.length - inTitle),
    };
  }

  /**
   * @param {"title" | "body"} field
   * @param {string} text
   * @returns {Field}
   */
  read(field, text) {
    const counters = this.#fields[field];
    this.#count(this.#findNumbers(text, findWords(text)), counters.features, counters.names);
    this.#count(this.#findNumbers(text, findParts(text)), counters.features);
    this.#count(this.#findNumbers(text, findNameParts(text)), counters.names);
    const features = counters.features.take();
    return { features, values: this.#weigh(features), names: counters.names.take() };
  }

  /**
   * @param {string} text
   * @param {number[]} places  where words start and end in it
   */
  #findNumbers(text, places) {
    const numbers = [];
    for (let i = 0; i < places.length; i += 2) numbers.push(this.words.find(text, places[i], places[i + 1]));
    return numbers;
  }

  /**
   * @param {number[]} words  a text's, -1 for one that is not known
   * @param {...RunCounter} counters
   */
  #count(words, ...counters) {
    for (let i = 0; i < words.length; i++) {
      let node = words[i] ?? -1;
      for (let next = i + 1; node >= 0; next++) {
        for (const counter of counters) counter.add(node);
        const word = words[next] ?? -1;
        node = word < 0 ? -1 : this.runs.extend(node, word);
      }
    }
  }

  /**
   * @param {Runs} features
   * @returns {Float32Array} sublinear tf-idf, brought to length 1
   */
  #weigh({ numbers, counts }) {
    let squares = 0;
    const values = Float32Array.from(numbers, (number, i) => {
      const tf = Math.fround(Math.fround(Math.log(counts[i] ?? 0)) + 1);
      const value = Math.fround(tf * this.#idf[number]);
      squares += value * value;
      return value;
    });
    const length = Math.fround(Math.sqrt(Math.fround(squares)));
    return values.map((value) => value / length);
  }
}

/**
 * @param {ModelFile} file
 * @param {"title" | "body"} field
 * @param {number} first  what its first feature is counted as
 * @param {number} size  how many features it has
 */
function makeCounters(file, field, first, size) {
  return {
    features: new RunCounter(file.section(`${field}_feature`), size, first),
    names: new RunCounter(file.section(`${field}_name`), file.section(`${field}_name_tag`).length),
  };
}
