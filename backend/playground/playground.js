// The page to try the model: asks for tags while one types, and shows them with score and reason.

const DEBOUNCE_MS = 250;

const form = document.querySelector("form");
const status = document.querySelector("#status");
const list = document.querySelector("#tags");
const draftId = crypto.randomUUID();
const installId = crypto.randomUUID();

let timer = 0;
let asking = new AbortController();

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, DEBOUNCE_MS);
});

async function ask() {
  asking.abort();
  asking = new AbortController();
  const { title, body } = Object.fromEntries(new FormData(form));
  if (!title.trim() && !body.trim()) {
    list.replaceChildren();
    status.textContent = "Start with a title.";
    return;
  }
  try {
    const response = await fetch("/api/v1/suggestions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        draft_id: draftId, install_id: installId, kind: "try", site: "stackoverflow.com",
        title, body, body_format: "markdown", record: false,
      }),
      signal: asking.signal,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail ?? answer.title);
    show(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    list.replaceChildren();
    status.textContent = error instanceof TypeError ? "The service does not answer." : error.message;
  }
}

function show({ items, notice, model_version }) {
  const confident = items.filter((item) => item.confident).length;
  status.textContent = notice ?? (confident
    ? `${confident} tag${confident === 1 ? "" : "s"} worth showing; the extension shows only ${confident === 1 ? "that" : "those"}.`
    : "No confident tag yet. Write on.");
  list.replaceChildren(...items.map(row));
  document.querySelector("#model").textContent = `Model ${model_version}`;
}

function row({ tag, score, confident, because, uses }) {
  const item = document.createElement("li");
  item.classList.toggle("confident", confident);
  const meter = element("meter", "", "");
  meter.value = score;
  meter.setAttribute("aria-label", `score of ${tag}`);
  item.append(
    element("span", "tag", tag), meter, element("span", "score", `${Math.round(score * 100)} %`),
    element("p", "because", [
      because.length ? `because of ${because.join(", ")}` : "",
      `used ${uses.toLocaleString()} times in the training data`,
    ].filter(Boolean).join(" · ")),
  );
  return item;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
