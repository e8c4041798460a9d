// Answer drafts with the extension's own model on the device: JSON lines in, JSON lines out.
// node answers.mjs MODEL_FILE
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { loadModel } from "../../../extension/device/model.js";

const { buffer, byteOffset, byteLength } = readFileSync(process.argv[2]);
const model = loadModel(buffer.slice(byteOffset, byteOffset + byteLength));
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(model.suggest(JSON.parse(line)))}\n`);
}
