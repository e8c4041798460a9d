// Make texts ready as the model on the device does: JSON lines of drafts in, JSON lines out.
// node texts.mjs MODEL_FILE
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { ModelFile } from "../../../extension/device/model-file.js";
import { originalSpellings, prepareText } from "../../../extension/device/text.js";
import { findNameParts, findParts, findWords, isSinglePart } from "../../../extension/device/words.js";

const SEPARATOR = "\n";

const { buffer, byteOffset, byteLength } = readFileSync(process.argv[2]);
const file = new ModelFile(buffer.slice(byteOffset, byteOffset + byteLength));
const entities = new Map(Object.entries(file.json("entities")));

function cutOut(text, find) {
  const places = find(text);
  return Array.from({ length: places.length / 2 }, (_, i) => text.slice(places[2 * i], places[2 * i + 1]));
}

function splitInto(text, find) {
  return [...cutOut(text, findWords), SEPARATOR, ...cutOut(text, find)].map((word) => word.toLowerCase());
}

function findAllParts(text) {
  const spelled = [...new Set(cutOut(text, findWords))];
  const parts = [findParts, findNameParts].flatMap((find) =>
    spelled.flatMap((word, i) =>
      isSinglePart(word) ? [] : cutOut(word, find).map((part) => [i, part.toLowerCase()]),
    ),
  );
  return [spelled, parts];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { title, body, body_format } = JSON.parse(line);
  const draft = [title, body, body_format, () => entities];
  const texts = prepareText(...draft);
  const both = Object.values(texts);
  const answer = {
    ...texts,
    spellings: Object.fromEntries(originalSpellings(...draft)),
    words: both.map((text) => splitInto(text, findParts)),
    name_words: both.map((text) => splitInto(text, findNameParts)),
    spelled: both.map((text) => findAllParts(text)[0]),
    parts: both.map((text) => findAllParts(text)[1]),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
