/** The tags that are never shown: the writer's list, to take them back from. */

import { words } from "../browser.js";
import { news, part } from "../own-pages.js";
import { say } from "../say.js";

const list = part("never", HTMLUListElement);

/** @param {import("../messages.js").Status} status */
export function show({ settings }) {
  part("never-more", HTMLElement).textContent = words(settings.never.length > 0 ? "optionsNeverSome" : "optionsNeverNone");
  if (shown().join(" ") !== settings.never.join(" ")) list.replaceChildren(...settings.never.map(entry));
}

/** The tags in the list, in order. */
const shown = () => Array.from(list.children, (item) => item.firstChild?.textContent ?? "");

/** @param {string} tag */
function entry(tag) {
  const [item, name, back] = [document.createElement("li"), document.createElement("span"), document.createElement("button")];
  name.textContent = tag;
  back.textContent = "×";
  back.setAttribute("aria-label", words("optionsNeverBack", tag));
  back.title = words("optionsNeverBack", tag);
  back.addEventListener("click", () => void takeBack(tag));
  item.append(name, back);
  return item;
}

/** @param {string} tag */
async function takeBack(tag) {
  const place = shown().indexOf(tag);
  await say("never", { tag, on: false });
  list.children[place]?.remove();
  news("never-news", words("optionsNeverDone", tag), "good");
  // The pressed button is gone: the keyboard goes on with the next one, or where the list was.
  const next = list.children[Math.min(place, list.children.length - 1)]?.querySelector("button");
  (next ?? part("never-title", HTMLElement)).focus();
}
