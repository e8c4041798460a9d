/** Loads the model on this device: once in a worker's life, when it is first wanted. */

import { DeviceModelError, loadModel } from "../device/model.js";
import { browser } from "../shared/browser.js";
import { UserError } from "../shared/errors.js";
import { getText } from "../shared/i18n.js";

/** @typedef {import("../device/model.js").DeviceModel} DeviceModel */

const PACKAGED_FILE = "device/model.bin";

/** @type {Promise<DeviceModel> | undefined} */
let loading;

/**
 * Return the model; throw a `UserError` where there is none.
 *
 * @returns {Promise<DeviceModel>}
 */
export const loadDeviceModel = () =>
  (loading ??= loadPackagedModel().catch((error) => {
    loading = undefined;
    throw error;
  }));

async function loadPackagedModel() {
  try {
    return loadModel(await readPackagedFile());
  } catch (error) {
    if (error instanceof DeviceModelError) throw new UserError(getText("deviceBroken"), { cause: error });
    throw error;
  }
}

/** @returns {Promise<ArrayBuffer>} */
async function readPackagedFile() {
  const url = browser.runtime.getURL(PACKAGED_FILE);
  // It is missing in a folder of which no package was made yet.
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new UserError(getText("deviceMissing"));
  return response.arrayBuffer();
}
