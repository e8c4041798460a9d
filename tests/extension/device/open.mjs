// Open a model file, and say what it is, or why it cannot be loaded or verified.
// node open.mjs FILE
import { readFileSync } from "node:fs";

import { loadModel, verifyModel } from "../../../extension/device/model.js";

const { buffer, byteOffset, byteLength } = readFileSync(process.argv[2]);
const file = buffer.slice(byteOffset, byteOffset + byteLength);
const answer = { load: "", verify: "" };
try {
  const model = loadModel(file);
  answer.version = model.version;
  answer.sites = model.sites.join(" ");
} catch (error) {
  answer.load = String(error);
}
await verifyModel(file).catch((error) => {
  answer.verify = String(error);
});
console.log(JSON.stringify(answer));
