/**
 * Why this tag: the words of a draft that weigh most for it, as `model/serving/explanation.py` finds them, where the
 * reasons are. A word weighs what the tag's logit would lose without it.
 *
 * @typedef {import("./features.js").FeatureReader} FeatureReader
 * @typedef {import("./features.js").Field} Field
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

import { findNameParts, findParts, findWords, isSinglePart } from "./words.js";

const MAX_WORDS = 3;
const MIN_SHARE = 0.2;
const MIN_SQUARE = 1e-5;
/** What is counted apart: the features of the title (0), those of the body (1), and tag names. */
const NAMES = 2;
const PARTS = 3;
/** More than a draft can have: a text of 3,300 characters has fewer words, parts and names. */
const MOST_FEATURES = 2 ** 16;

/**
 * The words of a draft, each once whatever its case. Features and tag names are numbered as in `Scorer.findEvidence`.
 */
export class DraftWords {
  #reader;
  /** As the draft spells them first. @type {string[]} */
  #spelled = [];
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** The part of each feature. @type {number[]} */
  #parts = [];
  /** Which word has which feature: `word * MOST_FEATURES + feature`, rising. @type {number[]} */
  #pairs = [];
  /** What a field's other values grow by without a word, by `part * words + word`. */
  #growth;

  /**
   * @param {FeatureReader} reader
   * @param {{text: string, field: Field}[]} fields  the title and the body
   */
  constructor(reader, fields) {
    this.#reader = reader;
    /** @type {number[]} */
    const values = [];
    /** @type {Set<number>} */
    const pairs = new Set();
    for (const [part, { text, field }] of fields.entries()) {
      this.#link(text, [...field.features.nodes, ...field.names.nodes], values.length, pairs);
      values.push(...field.values, ...field.names.nodes.map(() => 0));
      this.#parts.push(...field.features.nodes.map(() => part), ...field.names.nodes.map(() => NAMES));
    }
    this.#pairs = [...pairs].sort((a, b) => a - b);
    this.#growth = this.#findGrowth(values);
  }

  /**
   * @param {Float32Array} evidence  what each feature adds to a tag's logit
   * @returns {string[]} the words without which the logit would lose most, at most `MAX_WORDS` that count
   */
  pick(evidence) {
    const losses = this.#findLosses(evidence);
    /** @type {number[]} */
    const best = [];
    for (let word = 0; word < losses.length; word++) {
      let place = best.length;
      while (place > 0 && losses[best[place - 1] ?? 0] < losses[word]) place--;
      if (place < MAX_WORDS) best.splice(place, 0, word);
      if (best.length > MAX_WORDS) best.pop();
    }
    const least = MIN_SHARE * losses[best[0] ?? 0];
    return best
      .filter((word) => losses[word] > 0 && losses[word] >= least)
      .map((word) => /** @type {string} */ (this.#spelled[word]));
  }

  /**
   * Find the words of a field that have features.
   *
   * @param {string} text
   * @param {number[]} nodes  the runs of the field's features and names
   * @param {number} first  the number of the first feature
   * @param {Set<number>} pairs  to be filled
   */
  #link(text, nodes, first, pairs) {
    /** @type {Map<number, number[]>} */
    const featuresWith = new Map();
    for (const [i, node] of nodes.entries()) {
      for (const word of this.#reader.runs.words(node)) {
        const features = featuresWith.get(word);
        if (features) features.push(first + i);
        else featuresWith.set(word, [first + i]);
      }
    }
    const spelled = new Set(substrings(text, findWords(text)));
    const withParts = [...spelled].filter((word) => !isSinglePart(word));
    /** @type {(word: string, part: string) => void} */
    const link = (word, part) => {
      const features = featuresWith.get(this.#reader.words.find(part));
      if (features === undefined) return;
      const number = this.#numberOf(word);
      for (const feature of features) pairs.add(number * MOST_FEATURES + feature);
    };
    for (const word of spelled) link(word, word);
    for (const find of [findParts, findNameParts]) {
      for (const word of withParts) for (const part of substrings(word, find(word))) link(word, part);
    }
  }

  /** @param {string} word */
  #numberOf(word) {
    const lower = word.toLowerCase();
    const known = this.#numbers.get(lower);
    if (known !== undefined) return known;
    this.#numbers.set(lower, this.#spelled.length);
    return this.#spelled.push(word) - 1;
  }

  /** @param {Numbers} values  the features' weights in the draft; the squares of each field add up to 1 */
  #findGrowth(values) {
    const words = this.#spelled.length;
    /** @type {Numbers} */
    const left = new Float64Array(NAMES * words).fill(1);
    for (const pair of this.#pairs) {
      const [word, feature] = split(pair);
      const part = this.#parts[feature] ?? NAMES;
      if (part !== NAMES) left[part * words + word] -= Math.fround(values[feature] ** 2);
    }
    return Float64Array.from(left, (square) => (square > MIN_SQUARE ? 1 / Math.sqrt(square) : 0));
  }

  /**
   * @param {Float32Array} evidence
   * @returns {Numbers} what the logit would lose without each word
   */
  #findLosses(evidence) {
    const words = this.#spelled.length;
    /** @type {Numbers} */
    const whole = [0, 0, 0];
    for (const [feature, added] of evidence.entries()) whole[this.#parts[feature] ?? NAMES] += added;
    /** @type {Numbers} */
    const gone = new Float64Array(PARTS * words);
    for (const pair of this.#pairs) {
      const [word, feature] = split(pair);
      gone[(this.#parts[feature] ?? NAMES) * words + word] += evidence[feature];
    }
    const losses = new Float64Array(words);
    for (let word = 0; word < words; word++) {
      let lost = gone[NAMES * words + word];
      for (let place = word, part = 0; part < NAMES; part++, place += words) {
        lost += whole[part] - (whole[part] - gone[place]) * /** @type {number} */ (this.#growth[place]);
      }
      losses[word] = lost;
    }
    return losses;
  }
}

/**
 * @param {number} pair
 * @returns {[word: number, feature: number]}
 */
function split(pair) {
  return [Math.floor(pair / MOST_FEATURES), pair % MOST_FEATURES];
}

/**
 * @param {string} text
 * @param {number[]} places  starts and ends in turn
 */
function substrings(text, places) {
  const strings = [];
  for (let i = 0; i < places.length; i += 2) strings.push(text.slice(places[i], places[i + 1]));
  return strings;
}
