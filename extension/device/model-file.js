/**
 * The file with a model for this device, as `model/serving/device_file.py` lays it out: its arrays are used as they lie
 * in the buffer, so reading one takes no time and no memory.
 */

/**
 * An array of numbers. Reading is `any`, since every single read of a typed array would have to be checked for
 * undefined otherwise (noUncheckedIndexedAccess).
 *
 * @typedef {{readonly length: number, [index: number]: any}} Numbers
 */

/**
 * @typedef {object} Header
 * @property {string} version  like `light-1a2b3c4d`
 * @property {string[]} sites  hosts whose drafts the model was made for
 * @property {{own: number, first: number, most: number}} decision
 * @property {number} title_features  how many features, the first ones, are the title's
 * @property {number} title_pull  how far a tag name in the title pulls its tag towards the name's target: 0 to 1
 * @property {number} body_pull
 * @property {number} less  what each chosen tag takes from all others, in logits
 * @property {number} bytes  of all sections
 * @property {Record<string, {dtype: string, shape: number[], offset: number}>} sections
 */

const MAGIC = "tagalong";
const FORMAT = 1;
const FORMAT_AT = 8;
const HEADER_LENGTH_AT = 12;
const DIGEST_AT = 16;
const HEADER_AT = 48;

const NOT_WHOLE = "The model file is not whole.";

const ARRAYS = {
  float32: Float32Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
};

/** A model file is broken, foreign or of another format; the message says which. */
export class DeviceModelError extends Error {
  /** @override */
  name = "DeviceModelError";
}

/** A model file that was read. */
export class ModelFile {
  /** @type {Header} */
  header;
  #buffer;
  #dataAt;

  /**
   * @param {ArrayBuffer} buffer  the whole file
   * @throws {DeviceModelError} it is no model file of the format that this version reads, or not whole
   */
  constructor(buffer) {
    checkFormat(buffer);
    const headerLength = new DataView(buffer).getUint32(HEADER_LENGTH_AT, true);
    this.#buffer = buffer;
    this.#dataAt = HEADER_AT + headerLength;
    try {
      this.header = JSON.parse(decode(buffer, HEADER_AT, headerLength));
    } catch (error) {
      throw new DeviceModelError(NOT_WHOLE, { cause: error });
    }
    if (buffer.byteLength !== this.#dataAt + this.header?.bytes) throw new DeviceModelError(NOT_WHOLE);
  }

  /**
   * @param {string} name
   * @returns {Numbers} a section, as it lies in the file
   */
  section(name) {
    const place = this.header.sections?.[name];
    const Numbers = ARRAYS[/** @type {keyof typeof ARRAYS} */ (place?.dtype)];
    if (!place || !Numbers) throw new DeviceModelError(`The model file lacks a section that is needed: ${name}.`);
    const length = place.shape.reduce((product, size) => product * size, 1);
    try {
      return new Numbers(this.#buffer, this.#dataAt + place.offset, length);
    } catch (error) {
      throw new DeviceModelError(NOT_WHOLE, { cause: error });
    }
  }

  /**
   * @param {string} name
   * @returns {any} what the JSON in a section says
   */
  json(name) {
    return JSON.parse(new TextDecoder().decode(/** @type {Uint8Array} */ (this.section(name))));
  }
}

/**
 * Check a model file against its own sha256: where it arrives, not each time it is used.
 *
 * @param {ArrayBuffer} buffer
 * @throws {DeviceModelError} it is no model file, or is damaged
 */
export async function verifyModel(buffer) {
  checkFormat(buffer);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(buffer, HEADER_AT)));
  const expected = new Uint8Array(buffer, DIGEST_AT, digest.length);
  if (digest.some((byte, i) => byte !== expected[i])) {
    throw new DeviceModelError("The model file is damaged: its sha256 is not the one that it names.");
  }
}

/** @param {ArrayBuffer} buffer */
function checkFormat(buffer) {
  if (buffer.byteLength < HEADER_AT || decode(buffer, 0, MAGIC.length) !== MAGIC) {
    throw new DeviceModelError("This is no model file of Tagalong.");
  }
  const format = new DataView(buffer).getUint32(FORMAT_AT, true);
  if (format !== FORMAT) {
    throw new DeviceModelError(
      `The model file is of format ${format}, and this version of the extension reads format ${FORMAT}.`,
    );
  }
}

/**
 * @param {ArrayBuffer} buffer
 * @param {number} at
 * @param {number} length
 */
function decode(buffer, at, length) {
  return new TextDecoder().decode(new Uint8Array(buffer, at, length));
}
