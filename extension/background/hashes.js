/** SHA-256, as hexadecimal digits. */

/** @param {BufferSource} bytes */
export async function hashBytes(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text */
export const hashText = (text) => hashBytes(new TextEncoder().encode(text));
