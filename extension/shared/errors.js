/** Errors that people read, and errors that nobody waits for. */

import { getText } from "./i18n.js";

/** An error whose message is for people, in their language. */
export class UserError extends Error {}

/**
 * Return the message that people read for an error; never the browser's own.
 *
 * @param {unknown} error
 * @returns {string}
 */
export const userMessage = (error) => (error instanceof UserError ? error.message : getText("errorUnexpected"));

/** Let a promise run without waiting for it, and log its failure, which is a bug. @param {Promise<unknown>} promise */
export const runInBackground = (promise) => void promise.catch((error) => console.error(error));
