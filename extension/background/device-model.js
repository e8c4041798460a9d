/** Loads the model on this device: once in a worker's life, when it is first wanted. */

import { DeviceModelError, loadModel } from "../device/model.js";
import { browser } from "../shared/browser.js";
import { UserError } from "../shared/errors.js";
import { getText } from "../shared/i18n.js";
import { usesDevice } from "../shared/sources.js";
import { deleteStoredModel, readStoredModel } from "./model-store.js";
import { readSettings } from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../device/model.js").DeviceModel} DeviceModel */

const PACKAGED_FILE = "device/model.bin";

/** @type {Promise<DeviceModel> | undefined} */
let loading;

/** Load the model, if tags may come from it: it will be wanted soon. */
export async function warmDeviceModel() {
  if (usesDevice(await readSettings())) await loadDeviceModel().catch(() => {});
}

/**
 * Return the model: the one that came from the service in use, or the packaged one. Throw a `UserError` where there is
 * none.
 *
 * @returns {Promise<DeviceModel>}
 */
export const loadDeviceModel = () =>
  (loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  }));

async function load() {
  const stored = await loadStoredModel().catch(async (error) => {
    console.error(error);
    await deleteStoredModel();
  });
  return stored ?? loadPackagedModel();
}

async function loadStoredModel() {
  const [{ server }, { model_check: check }] = await Promise.all([readSettings(), storage.get("model_check")]);
  // Its database is not even opened where there is none: a worker that starts has somebody waiting.
  if (check?.etag === undefined || check.server !== server) return undefined;
  const stored = await readStoredModel();
  if (stored === undefined || stored.etag !== check.etag) return undefined;
  return loadModel(await stored.file.arrayBuffer());
}

async function loadPackagedModel() {
  try {
    return loadModel(await readPackagedModel());
  } catch (error) {
    if (error instanceof DeviceModelError) throw new UserError(getText("deviceBroken"), { cause: error });
    throw error;
  }
}

/** @returns {Promise<ArrayBuffer>} */
export async function readPackagedModel() {
  // It is missing in a folder that was just cloned.
  const response = await fetch(browser.runtime.getURL(PACKAGED_FILE)).catch(() => null);
  if (!response?.ok) throw new UserError(getText("deviceMissing"));
  return response.arrayBuffer();
}
