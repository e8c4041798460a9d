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
  if (listedTags().join(" ") !== tags.join(" ")) list.replaceChildren(...tags.map(createItem));
}

const listedTags = () => Array.from(list.children, (item) => item.firstChild?.textContent ?? "");

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
  const index = listedTags().indexOf(tag);
  await sendMessage("setTagBlocked", { tag, blocked: false });
  list.children[index]?.remove();
  showStatus("blocked-tags-status", getText("optionsNeverDone", tag), "good");
  // The pressed button is gone: focus moves to the next one, or to the list's title.
  const next = list.children[Math.min(index, list.children.length - 1)]?.querySelector("button");
  (next ?? getElement("blocked-tags-title", HTMLElement)).focus();
}
