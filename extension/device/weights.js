/**
 * The part of a model that is learned from words: an embedding a word, summed and multiplied by a row a tag, and direct
 * weights from words and runs to tags.
 *
 * @typedef {import("./features.js").Field} Field
 * @typedef {import("./model-file.js").ModelFile} ModelFile
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

const { fround } = Math;

/** The weights, 8 bits a number: value = integer · scale of its row. */
export class Weights {
  #embedding;
  #embeddingScale;
  #output;
  #outputScale;
  #bias;
  #wide;
  #wideScale;
  #wideTags;
  #rareStart;
  /** Runs, the first features, have no embedding. */
  #runs;
  #rank;
  #wideWidth;
  /** @type {Numbers} */
  #sum;

  /** @param {ModelFile} file */
  constructor(file) {
    this.#embedding = file.section("embedding");
    this.#embeddingScale = file.section("embedding_scale");
    this.#output = file.section("output");
    this.#outputScale = file.section("output_scale");
    this.#bias = file.section("bias");
    this.#wide = file.section("wide");
    this.#wideScale = file.section("wide_scale");
    this.#wideTags = file.section("wide_tags");
    this.#rareStart = file.section("rare_start");
    // The first row is that of the runs: all 0.
    this.#runs = this.#wideScale.length - (this.#embeddingScale.length - 1);
    this.#rank = this.#output.length / this.#bias.length;
    this.#wideWidth = this.#wide.length / this.#wideScale.length;
    this.#sum = new Float64Array(this.#rank);
  }

  /**
   * @param {Field[]} fields
   * @param {Float32Array} logits  of all tags, to be filled
   */
  fillLogits(fields, logits) {
    for (let j = 0; j < this.#rank; j++) this.#sum[j] = 0;
    for (const field of fields) this.#sumEmbeddings(field);
    this.#multiplyByOutput(logits);
    for (const field of fields) this.#addDirectWeights(field, logits);
    logits.set(/** @type {Float32Array} */ (this.#rareStart), this.#bias.length);
  }

  /**
   * @param {Field} field
   * @param {number} tag
   * @param {Float32Array} added  to be filled from `at` on with what each feature of the field adds to the tag's logit
   * @param {number} at
   */
  fillEvidence({ features, values }, tag, added, at) {
    for (const [i, feature] of features.numbers.entries()) {
      const value = /** @type {number} */ (values[i]);
      added[at + i] = this.#embeddedEvidence(feature, value, tag) + this.#directEvidence(feature, value, tag);
    }
  }

  /** @param {Field} field */
  #sumEmbeddings({ features, values }) {
    const [sum, rank, embedding] = [this.#sum, this.#rank, this.#embedding];
    for (const [i, feature] of features.numbers.entries()) {
      const row = feature - this.#runs + 1;
      if (row <= 0) continue;
      const value = fround(/** @type {number} */ (values[i]) * this.#embeddingScale[row]);
      for (let j = 0, k = row * rank; j < rank; j++, k++) sum[j] += value * embedding[k];
    }
  }

  /** @param {Numbers} logits */
  #multiplyByOutput(logits) {
    const [sum, rank, output, scale, bias] = [this.#sum, this.#rank, this.#output, this.#outputScale, this.#bias];
    for (let tag = 0; tag < bias.length; tag++) {
      logits[tag] = multiply(sum, output, tag * rank, rank) * scale[tag] + bias[tag];
    }
  }

  /**
   * @param {Field} field
   * @param {Numbers} logits
   */
  #addDirectWeights({ features, values }, logits) {
    for (const [i, feature] of features.numbers.entries()) {
      const value = fround(/** @type {number} */ (values[i]) * this.#wideScale[feature]);
      const first = feature * this.#wideWidth;
      for (let k = first; k < first + this.#wideWidth; k++) logits[this.#wideTags[k]] += fround(this.#wide[k] * value);
    }
  }

  /**
   * @param {number} feature
   * @param {number} value
   * @param {number} tag
   */
  #embeddedEvidence(feature, value, tag) {
    const row = feature - this.#runs + 1;
    if (row <= 0 || tag >= this.#bias.length) return 0;
    const [rank, embedding, output] = [this.#rank, this.#embedding, this.#output];
    let product = 0;
    for (let j = 0, k = row * rank, l = tag * rank; j < rank; j++, k++, l++) product += embedding[k] * output[l];
    return fround(fround(product * this.#outputScale[tag]) * fround(value * this.#embeddingScale[row]));
  }

  /**
   * @param {number} feature
   * @param {number} value
   * @param {number} tag
   */
  #directEvidence(feature, value, tag) {
    const first = feature * this.#wideWidth;
    let added = 0;
    for (let k = first; k < first + this.#wideWidth; k++) {
      if (this.#wideTags[k] === tag) added += fround(this.#wide[k] * fround(value * this.#wideScale[feature]));
    }
    return added;
  }
}

/**
 * Most of an answer's time is spent here: a function of its own, so that the browser compiles it within the first
 * answer. Four sums that do not wait for each other are twice as fast as one.
 *
 * @param {Numbers} vector
 * @param {Numbers} rows
 * @param {number} at
 * @param {number} rank
 * @returns {number} the product of a vector with a row of its length, a multiple of four
 */
function multiply(vector, rows, at, rank) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let j = 0, k = at; j < rank; j += 4, k += 4) {
    a += vector[j] * rows[k];
    b += vector[j + 1] * rows[k + 1];
    c += vector[j + 2] * rows[k + 2];
    d += vector[j + 3] * rows[k + 3];
  }
  return a + b + c + d;
}
