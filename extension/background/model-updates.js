/** Gets newer models for this device from the service that the writer chose, and older ones where it went back. */

import { DeviceModelError, loadModel, verifyModel } from "../device/model.js";
import { usesDevice, usesService } from "../shared/sources.js";
import { fetchDeviceModel, ServiceError } from "./api.js";
import { readPackagedModel } from "./device-model.js";
import { hashBytes } from "./hashes.js";
import { withModelLock } from "./lock.js";
import { deleteStoredModel, readStoredModel, storeModel } from "./model-store.js";
import { mayCount, readSettings } from "./settings.js";
import * as storage from "./storage.js";

/** @typedef {import("../shared/protocol.js").Settings} Settings */

const CHECK_EVERY_MS = 24 * 60 * 60_000;
const RETRY_MS = 60 * 60_000;

/**
 * @typedef {object} ModelCheck  the last look at the service's model
 * @property {string} server
 * @property {number} next  ms since the epoch of the next one
 * @property {string | undefined} [etag]  of the model that is stored
 * @property {string | undefined} [refused]  ETag of a file that was broken or foreign: it is not fetched again
 */

/** Whether the service may be asked for a model. @param {Settings} settings */
const mayUpdate = (settings) => usesDevice(settings) && (usesService(settings) || mayCount(settings));

/** Look at the service's model if that is due. A newer one is used from the next start of the worker on. */
export async function updateModel() {
  await withModelLock(async () => {
    const settings = await readSettings();
    if (!mayUpdate(settings)) return;
    const { server } = settings;
    /** @type {{model_check?: ModelCheck}} */
    const { model_check: last } = await storage.get("model_check");
    const { etag, refused, next } = last?.server === server ? last : {};
    if (next !== undefined && isAhead(next)) return;
    // First, so that a worker that dies of it does not begin again and again.
    await storage.set({ model_check: { server, next: Date.now() + RETRY_MS, etag, refused } });
    const result = await replaceModel(settings, refused);
    await storage.set({ model_check: { server, next: Date.now() + CHECK_EVERY_MS, ...result } });
  }).catch((error) => {
    // It is tried again later.
    if (!(error instanceof ServiceError)) throw error;
  });
}

/** Whether a time is still to come. One too far ahead is from a clock that was set back since. @param {number} time */
const isAhead = (time) => time > Date.now() && time <= Date.now() + CHECK_EVERY_MS;

/**
 * Fetch the service's model, unless it is one that is here, and store it if it is whole.
 *
 * @param {Settings} settings
 * @param {string | undefined} refused
 * @returns {Promise<Pick<ModelCheck, "etag" | "refused">>}
 */
async function replaceModel(settings, refused) {
  const { server } = settings;
  const stored = await readStoredModel();
  const storedTag = stored?.server === server ? stored.etag : undefined;
  const packagedTag = await readPackagedModel().then(computeEtag, () => undefined);
  const here = [packagedTag, storedTag, refused].filter((tag) => tag !== undefined);
  const { etag, file } = await fetchDeviceModel(settings, here);
  if (file === null) {
    if (etag !== packagedTag) return { etag: storedTag, refused };
    // The service went back to the model that is packaged.
    await deleteStoredModel();
    return { refused };
  }
  try {
    await verifyModel(file);
    loadModel(file);
  } catch (error) {
    if (!(error instanceof DeviceModelError)) throw error;
    console.error(error);
    return { etag: storedTag, refused: etag };
  }
  await storeModel({ server, etag, file: new Blob([file]) });
  return { etag };
}

/** Return the ETag under which a service has a file. @param {ArrayBuffer} file */
const computeEtag = async (file) => `"${await hashBytes(file)}"`;
