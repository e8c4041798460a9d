/** Says something to the background, and gives its answer. */

import { browser } from "./browser.js";

/** @typedef {import("./messages.js").Messages} Messages */

/**
 * Throws when nobody answered: the worker died while at it, or the extension was updated or removed.
 *
 * @template {keyof Messages} K
 * @param {K} type
 * @param {Messages[K]["says"]} fields
 * @returns {Promise<Messages[K]["answer"]>}
 */
export async function say(type, fields) {
  const reply = await browser.runtime.sendMessage({ type, ...fields });
  if (!reply || "fault" in reply) throw new Error(reply?.fault ?? "no answer from the background");
  return reply.answer;
}
