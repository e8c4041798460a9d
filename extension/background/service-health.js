/** Checks what suggests tags: the model on this device, the service in use, and another one before it is used. */

import { userMessage } from "../shared/errors.js";
import { isLocalServer, parseServerAddress } from "../shared/server-address.js";
import { DEFAULT_SETTINGS } from "../shared/settings-defaults.js";
import { usesService } from "../shared/sources.js";
import { checkApiKey, fetchHealth } from "./api.js";
import { loadDeviceModel } from "./device-model.js";
import { markServiceReady } from "./service-suggestions.js";
import { isPaused, mayCount, readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").Health} Health */

/** @type {Readonly<Health>} */
const UNKNOWN_HEALTH = Object.freeze({ service: "away", message: "", model: "", database: "" });
/** @type {Readonly<Health>} */
const OFF = Object.freeze({ ...UNKNOWN_HEALTH, service: "off" });

/** Return the health of the service in use; "off": nothing is sent to it now. @returns {Promise<Health>} */
export async function checkService() {
  const settings = await readSettings();
  const isUsed = (usesService(settings) || mayCount(settings)) && !isPaused(settings);
  const health = isUsed ? await toHealth(fetchHealth(settings)) : OFF;
  if (health.service === "ready") markServiceReady();
  return health;
}

/**
 * Return the health of the service on this computer, before anything is sent to it; "off" where the address in the
 * settings is another one. Only asked while a page that offers it is open.
 *
 * @returns {Promise<Health>}
 */
export async function findLocalService() {
  const settings = await readSettings();
  return isLocalServer(settings.server) ? toHealth(fetchHealth(settings)) : OFF;
}

/** Return the state of the model on this device. @returns {Promise<{model: string, message: string}>} */
export async function checkDevice() {
  try {
    return { model: (await loadDeviceModel()).version, message: "" };
  } catch (error) {
    return { model: "", message: userMessage(error) };
  }
}

/**
 * Return the health of another service; it is away if it does not accept the key.
 *
 * @param {string} server
 * @param {string} api_key
 */
export const testService = (server, api_key) => toHealth(fetchHealthWithKey(server, api_key));

/** @param {string} server @param {string} api_key */
async function fetchHealthWithKey(server, api_key) {
  const settings = { ...DEFAULT_SETTINGS, server: parseServerAddress(server), api_key: api_key.trim() };
  const health = await fetchHealth(settings);
  await checkApiKey(settings);
  return health;
}

/**
 * @param {Promise<{model: string, database: Health["database"]}>} fetched
 * @returns {Promise<Health>}
 */
async function toHealth(fetched) {
  try {
    return { ...UNKNOWN_HEALTH, service: "ready", ...(await fetched) };
  } catch (error) {
    return { ...UNKNOWN_HEALTH, service: "away", message: userMessage(error) };
  }
}
