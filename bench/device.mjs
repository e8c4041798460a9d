// Time the model on the device: once from reading the file to the first answer, then each draft that comes as a line.
// node device.mjs MODEL_FILE FIRST_DRAFT
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { loadModel, verifyModel } from "../extension/device/model.js";

const [path, firstDraft] = process.argv.slice(2);

function since(start) {
  return performance.now() - start;
}

function answer(model, draft) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  model.suggest(draft);
  const { user, system } = process.cpuUsage(cpu);
  return { ms: since(start), cpu_ms: (user + system) / 1000 };
}

let start = performance.now();
const { buffer, byteOffset, byteLength } = readFileSync(path);
const file = buffer.slice(byteOffset, byteOffset + byteLength);
const read = since(start);
start = performance.now();
const model = loadModel(file);
const load = since(start);
const first = answer(model, JSON.parse(firstDraft)).ms;
start = performance.now();
await verifyModel(file);
process.stdout.write(`${JSON.stringify({ read, load, first, verify: since(start) })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(model, JSON.parse(line)))}\n`);
}
