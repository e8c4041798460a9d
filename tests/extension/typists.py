"""Simulated typists, random by a seed: they type into title, body and tag field, and press chips between two keys.

A typist knows what each key was meant for. Where the page ends with anything else, a key was lost, reached another
field, or was made into a tag.
"""

import heapq
import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.extension.generations import Generation

TITLE = "How do I merge two pandas DataFrames?"
BODY = "I have two frames with the same index. How do I get the columns of both? " * 4
# One that the site renames, one that it takes, one that it refuses.
OFFERS = [("osx", 0.92), ("merge", 0.81), ("dataframe", 0.55)]
SITE_QUERY = "synonym=osx&unknown=dataframe"
SHOWN_AS = {"osx": "python", "merge": "merge"}
DRAFTS = {
    "classic": {"title": TITLE, "body": BODY, "tags": []},
    "wizard": {"title": TITLE, "problem": BODY, "results": BODY, "tags": [], "reached": 5},
    "svelte": {"title": TITLE, "body": BODY, "tags": []},
    "edit": {"title": TITLE, "body": BODY, "tags": ["html"]},
}
# Milliseconds between two keys, from a fast typist to a slow one.
KEY_DELAY_MS = (30, 200)
# Records what the pointer came down on: the page may have moved under it.
RECORD_POINTER = """addEventListener("pointerdown", (event) => {
    if (!event.isTrusted) return;
    window.pointed = event.composedPath()[0];
    const chip = pointed.closest(".chip");
    window.pointedChip = chip && [chip.dataset.tag, chip.dataset.look];
}, true)"""
FIND_CHIP = "document.querySelector('[data-tagalong]')?.shadowRoot.querySelector('.chip[data-tag=\"%s\"] .tag')"
READ_LOOKS = """[...(document.querySelector('[data-tagalong]')?.shadowRoot.querySelectorAll('.chip') ?? [])]
    .map((chip) => [chip.dataset.tag, chip.dataset.look])"""


class InputDevice(Protocol):
    """Keyboard and mouse of a person at a page, by trusted events."""

    def evaluate(self, expression: str) -> Any: ...

    def press(self, key: str) -> None: ...

    def click(self, x: float, y: float) -> None: ...


@dataclass
class Text:
    """A text and the caret in it."""

    value: str
    caret: int = 0

    def key(self, key: str) -> None:
        """Apply a key as a text field does."""
        before, after = self.value[: self.caret], self.value[self.caret :]
        if key == "Backspace":
            before = before[:-1]
        elif key == "ArrowLeft":
            self.caret = max(0, self.caret - 1)
            return
        else:
            before += key
        self.value, self.caret = before + after, len(before)


@dataclass
class Typist:
    """One person at one page; ``steps`` runs their actions, and yields the pause after each."""

    device: InputDevice
    generation: Generation
    seed: int
    max_delay_ms: int = 3000
    texts: dict[str, Text] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    focused: str = ""

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.generation.name}")
        self.texts = {"title": Text(TITLE), "body": Text(BODY), "tag": Text("")}

    @property
    def query(self) -> str:
        """Return the options of the page for this typist."""
        behaviour = random.Random(f"page {self.seed} {self.generation.name}")
        slowly = behaviour.choice([0, 150, 700, self.max_delay_ms])
        search = behaviour.choice([0, 60, 400, self.max_delay_ms])
        judged = behaviour.choice(["", "&judged=300"])
        redraw = behaviour.choice(["", "&redraw"])
        return f"{SITE_QUERY}&slowly={slowly}&search={search}{judged}{redraw}"

    def steps(self) -> Iterator[float]:
        """Run all actions in a random order; yield the milliseconds until the next after each."""
        todo = [("keys", "title"), ("keys", "body"), ("keys", "tag"), ("tag", ""), ("keys", "tag")]
        todo += [("click", tag) for tag, _ in OFFERS]
        self.random.shuffle(todo)
        for what, which in todo:
            if what == "click":
                yield from self.press_chip(which)
            elif what == "keys":
                yield from self.type_into(which, self.random.randint(3, 6))
            else:
                yield from self.type_tag()
        yield from self.go_to("title")

    def pause(self) -> float:
        return self.random.uniform(*KEY_DELAY_MS)

    def go_to(self, target: str) -> Iterator[float]:
        if target == self.focused:
            return
        fields = {"title": self.generation.title, "tag": self.generation.tag_input}
        selector = fields.get(target, self.body_selector)
        for _ in range(5):
            self.click(f"document.querySelector({json.dumps(selector)})")
            if self.device.evaluate(f"!!window.pointed?.closest({json.dumps(selector)})"):
                break
            yield self.pause()
        else:
            return
        if self.focused == "tag" and self.generation.name != "svelte":
            self.commit()
        self.focused = target
        self.device.press("Control+End" if target == "body" else "End")
        self.texts[target].caret = len(self.texts[target].value)
        yield self.pause()

    @property
    def max_typed_tags(self) -> int:
        """Return how many tags they may type: a question has five, one of which the page may refuse later."""
        return 5 - len(self.generation.initial_tags) - len(OFFERS)

    @property
    def body_selector(self) -> str:
        return f"{self.generation.editor} .js-editor" if self.generation.editor else "#wmd-input"

    def type_into(self, target: str, count: int) -> Iterator[float]:
        if target == "tag" and len(self.typed) >= self.max_typed_tags:
            return
        yield from self.go_to(target)
        if self.focused != target:
            return
        letters = "qzx" if target == "tag" else "abc defg "
        for _ in range(count):
            key = self.random.choice([*letters, *letters, "Backspace", "ArrowLeft"])
            if key == "Backspace" and self.texts[target].value[: self.texts[target].caret] == "":
                # There, it would remove a tag.
                continue
            self.device.press(key)
            self.texts[target].key(key)
            yield self.pause()

    def type_tag(self) -> Iterator[float]:
        yield from self.type_into("tag", self.random.randint(2, 5))
        if self.focused == "tag" and self.texts["tag"].value:
            self.device.press("Space")
            self.commit()
            yield self.pause()

    def commit(self) -> None:
        """Note that the page makes a tag of what is in its field."""
        if self.texts["tag"].value and self.texts["tag"].value not in self.typed:
            self.typed.append(self.texts["tag"].value)
        self.texts["tag"] = Text("")

    def press_chip(self, tag: str) -> Iterator[float]:
        if dict(self.device.evaluate(READ_LOOKS)).get(tag) == "offered" and self.click(FIND_CHIP % tag):
            pressed, look = self.device.evaluate("window.pointedChip") or ("", None)
            if look == "offered":
                self.accepted.append(pressed)
            elif look == "chosen":
                self.accepted.remove(pressed)
        yield self.pause()

    def click(self, element: str) -> bool:
        """Click the middle of an element, unless something covers it; return whether it was clicked."""
        point = self.device.evaluate(
            f"""(() => {{
                const element = {element};
                if (!element) return null;
                element.scrollIntoView({{block: 'nearest'}});
                const {{x, y, width, height}} = element.getBoundingClientRect();
                const point = [x + width / 2, y + height / 2];
                const over = element.getRootNode().elementFromPoint(...point);
                return over && (element.contains(over)) ? point : null;
            }})()"""
        )
        if point:
            self.device.click(*point)
        return bool(point)

    def read_state(self) -> dict[str, Any]:
        """Return the page's texts and tags."""
        body = f"""document.querySelector({json.dumps(self.body_selector)})"""
        state: dict[str, Any] = self.device.evaluate(
            f"""({{
                title: document.querySelector({json.dumps(self.generation.title)}).value,
                body: {body}.value ?? {body}.textContent,
                tag: document.querySelector({json.dumps(self.generation.tag_input)}).value,
                tags: [...document.querySelectorAll({json.dumps(self.generation.chosen_tag)})]
                    .map((chip) => chip.textContent.replace(/Dismiss .* tag/, "").trim()).sort(),
                adding: {READ_LOOKS}.filter(([, look]) => look === "adding").length,
            }})"""
        )
        return state

    def expected_state(self) -> dict[str, Any]:
        """Return the texts and tags that the page should have in the end."""
        taken = [SHOWN_AS[tag] for tag in self.accepted if tag in SHOWN_AS]
        texts = {name: text.value for name, text in self.texts.items()}
        return {**texts, "tags": sorted([*self.generation.initial_tags, *self.typed, *taken]), "adding": 0}


def type_concurrently(typists: Iterable[Typist], wait: Callable[[float], None]) -> None:
    """Let all typists type at the same time, each at their own pace; ``wait`` waits some seconds."""
    order = itertools.count()
    waiting = [(time.monotonic(), next(order), typist.steps()) for typist in typists]
    while waiting:
        due, _, steps = heapq.heappop(waiting)
        wait(max(0.0, due - time.monotonic()))
        pause = next(steps, None)
        if pause is not None:
            heapq.heappush(waiting, (time.monotonic() + pause / 1000, next(order), steps))
