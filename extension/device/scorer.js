/**
 * From a draft's features to its best tags: the arithmetic of the graph that `model/training/onnx_export.py` writes, in
 * the same order, and rounded to 32 bits where ONNX Runtime rounds, so that equal tags are equal here too.
 *
 * @typedef {import("./features.js").Field} Field
 * @typedef {import("./model-file.js").ModelFile} ModelFile
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

import { Weights } from "./weights.js";

const { fround } = Math;

/**
 * @typedef {object} Pull  what the tag names found in a field do to one tag
 * @property {number} target  the highest of the names' targets
 * @property {number} names  how many names have that target
 * @property {number} added
 *
 * @typedef {{title: Field, body: Field, kind: 0 | 1, pulls: {title: Map<number, Pull>, body: Map<number, Pull>}}} Draft
 *   a draft that was scored; its kind is 1 with a known word in the body
 */

/** Scores the tags of a model. Its arrays are used again for each draft. */
export class Scorer {
  tags;
  #weights;
  #names;
  #chosen;
  #calibration;
  /** What a tag that is known by name alone loses where it is not named. */
  #lacks;
  #ordering;

  /** @param {ModelFile} file */
  constructor(file) {
    this.#weights = new Weights(file);
    this.#calibration = new Calibration(file);
    this.#names = {
      title: new NamePull(file, "title", file.header.title_pull),
      body: new NamePull(file, "body", file.header.body_pull),
    };
    this.#chosen = new ChosenTags(file);
    this.#lacks = file.section("lacks");
    this.tags = this.#lacks.length;
    this.#ordering = new Float32Array(this.tags);
  }

  /**
   * @param {Field} title
   * @param {Field} body
   * @param {number[]} chosen  the numbers of the tags that the writer has chosen
   * @returns {{draft: Draft, rank: (limit: number) => {tag: number, score: number}[]}} `rank`: the best tags, best
   *   first, before another draft is scored
   */
  score(title, body, chosen) {
    const ordering = this.#ordering;
    const kind = body.features.numbers.length > 0 ? 1 : 0;
    this.#weights.fillLogits([title, body], ordering);
    this.#calibration.scale(kind, ordering);
    const pulls = { title: this.#names.title.find(title, ordering), body: this.#names.body.find(body, ordering) };
    /** @type {Map<number, number>} */
    const raised = new Map();
    for (const [tag, { added }] of [...pulls.title, ...pulls.body]) {
      raised.set(tag, fround((raised.get(tag) ?? ordering[tag] ?? 0) + added));
    }
    for (let tag = 0; tag < this.tags; tag++) increase(ordering, tag, this.#lacks[tag]);
    for (const [tag, value] of raised) ordering[tag] = value;
    this.#chosen.add(chosen, ordering);
    return {
      draft: { title, body, kind, pulls },
      rank: (limit) =>
        findBest(ordering, limit).map((tag) => ({ tag, score: this.#calibration.score(kind, ordering[tag] ?? 0) })),
    };
  }

  /**
   * @param {Draft} draft
   * @param {number} tag
   * @returns {Float32Array} what each feature and each tag name adds to the tag's logit: those of the title first, and
   *   of each field the features first
   */
  findEvidence(draft, tag) {
    const slope = this.#calibration.slope(draft.kind, tag);
    const { title, body, pulls } = draft;
    const bodyAt = title.features.nodes.length + title.names.nodes.length;
    const added = new Float32Array(bodyAt + body.features.nodes.length + body.names.nodes.length);
    this.#weights.fillEvidence(title, tag, added, 0);
    this.#names.title.fillEvidence(title, tag, pulls.title, slope, added, title.features.nodes.length);
    this.#weights.fillEvidence(body, tag, added, bodyAt);
    this.#names.body.fillEvidence(body, tag, pulls.body, slope, added, bodyAt + body.features.nodes.length);
    return added;
  }
}

/** Platt scaling, by which tags are ordered, and the curve from there to scores. */
class Calibration {
  #slope;
  #offset;
  #rise;
  #start;
  #begin;
  #least;
  #most;

  /** @param {ModelFile} file */
  constructor(file) {
    this.#slope = file.section("slope");
    this.#offset = file.section("offset");
    this.#rise = file.section("rise");
    this.#start = file.section("start");
    this.#begin = file.section("piece_begin");
    this.#least = file.section("piece_least");
    this.#most = file.section("piece_most");
  }

  /**
   * @param {0 | 1} kind
   * @param {Float32Array} logits
   */
  scale(kind, logits) {
    const [slope, offset] = [this.#slope, this.#offset];
    for (let tag = 0, i = kind * logits.length; tag < logits.length; tag++, i++) {
      logits[tag] = fround(/** @type {number} */ (logits[tag]) * slope[i]) + offset[i];
    }
  }

  /**
   * @param {0 | 1} kind
   * @param {number} tag
   * @returns {number}
   */
  slope(kind, tag) {
    return this.#slope[(kind * this.#slope.length) / 2 + tag];
  }

  /**
   * @param {0 | 1} kind
   * @param {number} ordering
   * @returns {number} 0 to 1
   */
  score(kind, ordering) {
    const pieces = this.#begin.length;
    let curve = 0;
    for (let i = 0; i < pieces; i++) {
      const piece = Math.min(Math.max(fround(ordering - this.#begin[i]), this.#least[i]), this.#most[i]);
      curve = fround(curve + fround(piece * this.#rise[kind * pieces + i]));
    }
    return fround(1 / (1 + Math.exp(-fround(curve + this.#start[kind]))));
  }
}

/** Tag names found in a field, each of which pulls its tag towards a target. */
class NamePull {
  #tags;
  #targets;
  #strength;

  /**
   * @param {ModelFile} file
   * @param {"title" | "body"} field
   * @param {number} strength
   */
  constructor(file, field, strength) {
    this.#tags = file.section(`${field}_name_tag`);
    this.#targets = file.section(`${field}_name_target`);
    this.#strength = strength;
  }

  /**
   * @param {Field} field
   * @param {Float32Array} ordering
   * @returns {Map<number, Pull>} by tag
   */
  find({ names }, ordering) {
    /** @type {Map<number, Pull>} */
    const pulls = new Map();
    for (const name of names.numbers) {
      const [tag, target] = [this.#tags[name], this.#targets[name]];
      const known = pulls.get(tag);
      if (known === undefined || known.target < target) pulls.set(tag, { target, names: 1, added: 0 });
      else if (known.target === target) known.names++;
    }
    for (const [tag, pull] of pulls) {
      const gap = fround(pull.target - /** @type {number} */ (ordering[tag]));
      pull.added = fround(Math.max(gap, 0) * this.#strength);
    }
    return pulls;
  }

  /**
   * @param {Field} field
   * @param {number} tag
   * @param {Map<number, Pull>} pulls
   * @param {number} slope  of the tag
   * @param {Float32Array} added  to be filled from `at` on with what each name adds to the tag's logit
   * @param {number} at
   */
  fillEvidence({ names }, tag, pulls, slope, added, at) {
    const pull = pulls.get(tag);
    if (pull === undefined) return;
    for (const [i, name] of names.numbers.entries()) {
      // Two names with the same target share what they add.
      if (this.#tags[name] !== tag || this.#targets[name] !== pull.target) continue;
      added[at + i] = fround(1 / pull.names) * fround(pull.added / slope);
    }
  }
}

/** What the tags that a writer has chosen say of all others. */
class ChosenTags {
  #less;
  #rows;
  #says;
  #scale;
  #partners;

  /** @param {ModelFile} file */
  constructor(file) {
    this.#less = file.header.less;
    this.#rows = file.section("chosen_row");
    this.#says = file.section("says");
    this.#scale = file.section("says_scale");
    this.#partners = file.section("partners");
  }

  /**
   * @param {number[]} chosen
   * @param {Float32Array} ordering
   */
  add(chosen, ordering) {
    if (chosen.length === 0) return;
    const lowered = fround(chosen.length * this.#less);
    for (let tag = 0; tag < ordering.length; tag++) increase(ordering, tag, -lowered);
    const width = this.#partners.length / this.#scale.length;
    for (const tag of chosen) {
      const row = this.#rows[tag];
      for (let i = row * width; i < (row + 1) * width; i++) {
        increase(ordering, this.#partners[i], fround(this.#says[i] * this.#scale[row]));
      }
    }
  }
}

/**
 * @param {Float32Array} values
 * @param {number} i
 * @param {number} by
 */
function increase(values, i, by) {
  values[i] = /** @type {number} */ (values[i]) + by;
}

/**
 * @param {Float32Array} values
 * @param {number} limit
 * @returns {number[]} the places of the largest values, largest first; of equal ones the first one first
 */
function findBest(values, limit) {
  const all = /** @type {Numbers} */ (values);
  if (limit >= values.length) return [...values.keys()].sort((a, b) => all[b] - all[a] || a - b);
  /** @type {number[]} */
  const best = [];
  let last = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = all[i];
    if (best.length === limit && value <= last) continue;
    if (best.length === limit) best.pop();
    let place = best.length;
    while (place > 0 && all[best[place - 1] ?? 0] < value) place--;
    best.splice(place, 0, i);
    last = all[best[best.length - 1] ?? 0];
  }
  return best;
}
