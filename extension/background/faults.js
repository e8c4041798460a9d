/** What becomes of errors that nobody waits for, and what people are told of others. */

import { words } from "../browser.js";

/** An error whose message is for people, in their language. */
export class UserError extends Error {}

/** What to tell people of an error; never the browser's own words for it. @param {unknown} error @returns {string} */
export const messageOf = (error) => (error instanceof UserError ? error.message : words("errorUnexpected"));

/** Work that nobody waits for; a failure of it is a fault of ours. @param {Promise<unknown>} work */
export const inBackground = (work) => void work.catch((error) => console.error(error));
