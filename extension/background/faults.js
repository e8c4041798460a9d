/** What becomes of errors that nobody waits for, and what people are told of others. */

/** @param {unknown} error @returns {string} */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Work that nobody waits for; a failure of it is a fault of ours. @param {Promise<unknown>} work */
export const inBackground = (work) => void work.catch((error) => console.error(error));
