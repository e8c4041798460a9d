/** The list of blocked tags, each with a button to unblock it. */

import { getElement, showStatus } from "../shared/extension-page.js";
import { getText } from "../shared/i18n.js";
import { sendMessage } from "../shared/messaging.js";

const list = getElement("blocked-tags", HTMLUListElement);

/** @param {import("../shared/protocol.js").Status} status */
export function show({ settings }) {
  const tags = settings.never;
  const info = getText(tags.length > 0 ? "optionsNeverSome" : "optionsNeverNone");
  getElement("blocked-tags-info", HTMLElement).textContent = info;
  for (const tag of listedTags()) if (!tags.includes(tag)) findItem(tag)?.remove();
  // Items that stay are not moved, so that the focused one keeps its focus.
  tags.forEach((tag, index) => {
    if (listedTags()[index] === tag) return;
    list.insertBefore(findItem(tag) ?? createItem(tag), list.children[index] ?? null);
  });
}

const listedTags = () => Array.from(list.children, (item) => item.firstChild?.textContent ?? "");

/** @param {string} tag */
const findItem = (tag) => list.children[listedTags().indexOf(tag)];

/** @param {string} tag */
function createItem(tag) {
  const [item, name, button] = [
    document.createElement("li"),
    document.createElement("span"),
    document.createElement("button"),
  ];
  name.textContent = tag;
  button.textContent = "×";
  button.setAttribute("aria-label", getText("optionsNeverBack", tag));
  button.title = getText("optionsNeverBack", tag);
  button.addEventListener("click", () => void unblockTag(tag));
  item.append(name, button);
  return item;
}

/** @param {string} tag */
async function unblockTag(tag) {
  const tags = listedTags();
  const index = tags.indexOf(tag);
  const neighbour = tags[index + 1] ?? tags[index - 1];
  await sendMessage("setTagBlocked", { tag, blocked: false });
  // The list may have been shown anew meanwhile.
  findItem(tag)?.remove();
  showStatus("blocked-tags-status", getText("optionsNeverDone", tag), "good");
  // The pressed button is gone: focus moves to the next one, or to the list's title.
  const next = neighbour && findItem(neighbour)?.querySelector("button");
  (next || getElement("blocked-tags-title", HTMLElement)).focus();
}
