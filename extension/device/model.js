/**
 * The model on the device: tags for a draft without a service, the same as `Classifier.suggest` in
 * `model/serving/classifier.py` makes them.
 *
 *     const model = loadModel(buffer);
 *     model.suggest({ title: "How do I merge two DataFrames?", chosen_tags: ["python"] });
 *
 * @typedef {import("../shared/protocol.js").SuggestedTag} SuggestedTag
 * @typedef {import("./features.js").Field} Field
 * @typedef {import("./model-file.js").Numbers} Numbers
 */

import { DraftWords } from "./explanation.js";
import { FeatureReader } from "./features.js";
import { ModelFile } from "./model-file.js";
import { Scorer } from "./scorer.js";
import { StringTable } from "./tables.js";
import { originalSpellings, prepareText } from "./text.js";

export { DeviceModelError, verifyModel } from "./model-file.js";

/** How many of the best tags are looked at, at least: names of one tag are merged among them. */
const WINDOW = 50;
const BODY_FORMATS = ["markdown", "html", "text"];

/**
 * @typedef {object} DeviceDraft
 * @property {string} title
 * @property {string} [body]
 * @property {"markdown" | "html" | "text"} [body_format]
 * @property {string[]} [chosen_tags]
 * @property {number} [limit]  how many tags are wanted, 1 or more
 *
 * @typedef {{name: number, score: number, tag: number}} Candidate  a name in use, and its likelier tag
 */

/**
 * @param {ArrayBuffer} buffer  a model file, whole; the model reads from it as long as it is used
 * @returns {DeviceModel}
 * @throws {DeviceModelError} it is broken, foreign or of another format
 */
export function loadModel(buffer) {
  return new DeviceModel(new ModelFile(buffer));
}

/** A model in memory. */
export class DeviceModel {
  /** Like `light-1a2b3c4d`. */
  version;
  /** Hosts whose drafts it was made for. */
  sites;
  #file;
  #reader;
  #scorer;
  #tagNames;
  #decision;
  /** @type {Map<string, string> | undefined} */
  #entities;

  /** @param {ModelFile} file */
  constructor(file) {
    this.version = file.header.version;
    this.sites = file.header.sites;
    this.#file = file;
    this.#reader = new FeatureReader(file);
    this.#scorer = new Scorer(file);
    this.#tagNames = new TagNames(file);
    this.#decision = file.header.decision;
  }

  /**
   * The best tags for a draft, best first: never two names of one tag, nor one of a chosen tag. A draft without any
   * word that the model knows gets none.
   *
   * @param {DeviceDraft} draft
   * @returns {SuggestedTag[]}
   * @throws {RangeError} `limit` is below 1, or `body_format` is none of those that are known
   */
  suggest({ title, body = "", body_format = "markdown", chosen_tags = [], limit = 5 }) {
    if (limit < 1) throw new RangeError(`limit is ${limit}; it must be 1 or more`);
    if (!BODY_FORMATS.includes(body_format)) {
      throw new RangeError(`body_format is ${body_format}; it must be one of ${BODY_FORMATS.join(", ")}`);
    }
    const texts = prepareText(title, body, body_format, this.#readEntities);
    const fields = { title: this.#reader.read("title", texts.title), body: this.#reader.read("body", texts.body) };
    if (Object.values(fields).every(isEmpty)) return [];
    const chosen = this.#tagNames.find(chosen_tags);
    const { draft, rank } = this.#scorer.score(fields.title, fields.body, chosen.tags);
    let best = this.#tagNames.merge(rank(Math.max(limit, WINDOW) + chosen.count), chosen.names);
    if (best.length < limit) best = this.#tagNames.merge(rank(this.#scorer.tags), chosen.names);
    best = best.slice(0, limit);
    const words = new DraftWords(this.#reader, [
      { text: texts.title, field: fields.title },
      { text: texts.body, field: fields.body },
    ]);
    const reasons = best.map(({ tag }) => words.pick(this.#scorer.findEvidence(draft, tag)));
    const because = this.#restoreSpelling(reasons, title, body, body_format);
    const confident = countConfident(best, this.#decision);
    return best.map(({ name, score }, i) => ({
      tag: this.#tagNames.get(name),
      score,
      confident: i < confident,
      uses: this.#tagNames.uses(name),
      because: because[i] ?? [],
    }));
  }

  /** HTML's entities, decoded when a body has the first one. */
  #readEntities = () => (this.#entities ??= new Map(Object.entries(this.#file.json("entities"))));

  /**
   * @param {string[][]} reasons
   * @param {string} title
   * @param {string} body
   * @param {"markdown" | "html" | "text"} bodyFormat
   * @returns {string[][]} the reasons in the writer's own characters, where the model read plainer ones
   */
  #restoreSpelling(reasons, title, body, bodyFormat) {
    if (reasons.flat().every((word) => title.includes(word) || body.includes(word))) return reasons;
    const spellings = originalSpellings(title, body, bodyFormat, this.#readEntities);
    return reasons.map((words) => words.map((word) => spellings.get(word) ?? word));
  }
}

/** The names of tags, and which of them mean the same. */
class TagNames {
  #names;
  #currentName;
  #count;
  #tag;
  #uses;
  #tagName;

  /** @param {ModelFile} file */
  constructor(file) {
    this.#names = new StringTable(file, "name");
    this.#currentName = file.section("name_in_use");
    this.#count = file.section("name_count");
    this.#tag = file.section("name_tag");
    this.#uses = file.section("name_uses");
    this.#tagName = file.section("tag_name");
  }

  /** @param {number} name */
  get(name) {
    return this.#names.get(name);
  }

  /**
   * @param {number} name
   * @returns {number}
   */
  uses(name) {
    return this.#uses[name];
  }

  /**
   * @param {string[]} chosen
   * @returns {{names: Set<number>, tags: number[], count: number}} the names in use of chosen tags; their commonest
   *   tags; and how many names mean one of them, those that are not known included
   */
  find(chosen) {
    const names = new Set();
    const unknown = new Set();
    for (const tag of chosen.map((name) => name.toLowerCase())) {
      const name = this.#names.find(tag);
      if (name < 0) unknown.add(tag);
      else names.add(this.#currentName[name]);
    }
    let count = unknown.size;
    const tags = [];
    for (const name of names) {
      count += this.#count[name];
      if (this.#tag[name] > 0) tags.push(this.#tag[name] - 1);
    }
    return { names, tags: tags.sort((a, b) => a - b), count };
  }

  /**
   * Merge names of one tag by noisy-or, and leave out retired and chosen ones.
   *
   * @param {{tag: number, score: number}[]} ranked  best first
   * @param {Set<number>} chosen
   * @returns {Candidate[]} best first
   */
  merge(ranked, chosen) {
    /** @type {Map<number, Candidate>} */
    const merged = new Map();
    for (const { tag, score } of ranked) {
      const name = this.#tagName[tag] - 1;
      if (name < 0 || chosen.has(name)) continue;
      const known = merged.get(name);
      if (known) known.score = known.score + score - known.score * score;
      else merged.set(name, { name, score, tag });
    }
    return [...merged.values()].sort((a, b) => b.score - a.score);
  }
}

/** @param {Field} field */
function isEmpty({ features, names }) {
  return features.nodes.length === 0 && names.nodes.length === 0;
}

/**
 * As many of the best tags as maximise the expected Jaccard index, or none: see `model/serving/decision.py`.
 *
 * @param {{score: number}[]} best
 * @param {{own: number, first: number, most: number}} decision
 */
function countConfident(best, { own, first, most }) {
  if ((best[0]?.score ?? 0) < first) return 0;
  let [bestJaccard, bestCount, right] = [0, 0, 0];
  for (const [i, { score }] of best.slice(0, most).entries()) {
    right += score;
    const jaccard = right / (i + 1 + own - right);
    if (jaccard > bestJaccard) [bestJaccard, bestCount] = [jaccard, i + 1];
  }
  return bestCount;
}
