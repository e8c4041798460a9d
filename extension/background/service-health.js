/** Checks the health of the service in use, and of another one before it is used. */

import { userMessage } from "../shared/errors.js";
import { parseServerAddress } from "../shared/server-address.js";
import { DEFAULT_SETTINGS } from "../shared/settings-defaults.js";
import { checkApiKey, fetchHealth } from "./api.js";
import { maySuggest, readSettings } from "./settings.js";

/** @typedef {import("../shared/protocol.js").Health} Health */

/** @type {Readonly<Health>} */
const UNKNOWN_HEALTH = Object.freeze({ service: "away", message: "", model: "", database: "" });

/** Return the health of the service in use. @returns {Promise<Health>} */
export async function checkService() {
  const settings = await readSettings();
  return maySuggest(settings) ? toHealth(fetchHealth(settings)) : { ...UNKNOWN_HEALTH, service: "off" };
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
