/** The service's address as the writer enters it. */

import { UserError } from "./errors.js";
import { getText } from "./i18n.js";

/** Hosts that need no encryption: what is sent to them never leaves the machine. */
const LOCAL_HOSTS = ["127.0.0.1", "localhost"];

/**
 * Return an address without query, fragment and trailing slash.
 *
 * @param {string} text
 * @returns {string}
 * @throws {UserError} if it is not an HTTP address, or neither encrypted nor on this machine
 */
export function parseServerAddress(text) {
  const url = URL.parse(text.trim());
  if (!url || !/^https?:$/.test(url.protocol)) throw new UserError(getText("addressBad"));
  if (url.protocol === "http:" && !isLocalServer(url.href)) throw new UserError(getText("addressOpen"));
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** Whether a server runs on this machine. @param {string} server */
export const isLocalServer = (server) => LOCAL_HOSTS.includes(new URL(server).hostname);

/** Return the permission to reach a server; match patterns have no port. @param {string} server */
export function hostPermission(server) {
  const { protocol, hostname } = new URL(server);
  return { origins: [`${protocol}//${hostname}/*`] };
}
