/** Says something to the background, and gives its answer. */

import { browser } from "./browser.js";

/** @typedef {import("./messages.js").Messages} Messages */

const TRIES = 3;
const WAIT_MS = 50;

/**
 * Says it again where the worker died while at it: whatever is said may be heard twice. Throws when there is no
 * answer at all, as after the extension was updated or removed.
 *
 * @template {keyof Messages} K
 * @param {K} type
 * @param {Messages[K]["says"]} fields
 * @returns {Promise<Messages[K]["answer"]>}
 */
export async function say(type, fields) {
  const reply = await replyTo({ type, ...fields });
  if (!reply || "fault" in reply) throw new Error(reply?.fault ?? "no answer from the background");
  return reply.answer;
}

/** @param {object} message @returns {Promise<any>} nothing: nobody answered */
async function replyTo(message, tries = 1) {
  const reply = await browser.runtime?.sendMessage(message).catch(() => undefined);
  if (reply || tries === TRIES) return reply;
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS * tries));
  return replyTo(message, tries + 1);
}
