/** Sends messages to the background. */

import { browser } from "./browser.js";

/** @typedef {import("./protocol.js").Messages} Messages */

const ATTEMPTS = 3;
const RETRY_DELAY_MS = 50;

/**
 * Send a message to the background and return its answer. It is sent again where the worker died meanwhile, so every
 * message may arrive twice.
 *
 * @template {keyof Messages} K
 * @param {K} type
 * @param {Messages[K]["fields"]} fields
 * @returns {Promise<Messages[K]["answer"]>}
 * @throws if there is no answer at all, as after the extension was updated or removed
 */
export async function sendMessage(type, fields) {
  const reply = await sendWithRetries({ type, ...fields });
  if (!reply || "error" in reply) throw new Error(reply?.error ?? "no answer from the background");
  return reply.answer;
}

/** @param {object} message @returns {Promise<any>} undefined if nobody answered */
async function sendWithRetries(message, attempt = 1) {
  const reply = await browser.runtime?.sendMessage(message).catch(() => undefined);
  if (reply || attempt === ATTEMPTS) return reply;
  await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS * attempt));
  return sendWithRetries(message, attempt + 1);
}
