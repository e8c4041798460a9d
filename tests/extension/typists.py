"""People who type with a seed: into the title, the body and the tag field, pressing chips between two keys.

A typist knows by heart what each of their keys was meant for; where the page then holds anything else, a key was lost,
came elsewhere, or was made into a tag.
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
# One that the site has under another name, one as it is, one that the site does not take.
OFFERS = [("osx", 0.92), ("merge", 0.81), ("dataframe", 0.55)]
SITE = "synonym=osx&unknown=dataframe"
TAKEN = {"osx": "python", "merge": "merge"}
DRAFTS = {
    "classic": {"title": TITLE, "body": BODY, "tags": []},
    "wizard": {"title": TITLE, "problem": BODY, "results": BODY, "tags": [], "reached": 5},
    "svelte": {"title": TITLE, "body": BODY, "tags": []},
    "edit": {"title": TITLE, "body": BODY, "tags": ["html"]},
}
# Milliseconds between two keys, from a fast typist to a slow one.
KEYS_MS = (30, 200)
# What the pointer came down on: the page may have moved under it.
WATCH = """addEventListener("pointerdown", (event) => {
    if (!event.isTrusted) return;
    window.pointed = event.composedPath()[0];
    const chip = pointed.closest(".chip");
    window.pointedChip = chip && [chip.dataset.tag, chip.dataset.look];
}, true)"""
CHIP = "document.querySelector('[data-tagalong]')?.shadowRoot.querySelector('.chip[data-tag=\"%s\"] .tag')"
LOOKS = """[...(document.querySelector('[data-tagalong]')?.shadowRoot.querySelectorAll('.chip') ?? [])]
    .map((chip) => [chip.dataset.tag, chip.dataset.look])"""


class Hands(Protocol):
    """What a person does to a page, by real events."""

    def evaluate(self, expression: str) -> Any: ...

    def press(self, key: str) -> None: ...

    def click(self, x: float, y: float) -> None: ...


@dataclass
class Text:
    """A text and the caret in it."""

    value: str
    caret: int = 0

    def key(self, key: str) -> None:
        """Do what the key does in a text field."""
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
    """One person at one page; ``steps`` are their acts, each with the pause after it."""

    hands: Hands
    on: Generation
    seed: int
    slowest: int = 3000
    texts: dict[str, Text] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    clicked: list[str] = field(default_factory=list)
    place: str = ""

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.on.name}")
        self.texts = {"title": Text(TITLE), "body": Text(BODY), "tag": Text("")}

    @property
    def query(self) -> str:
        """How the page answers this typist."""
        behaviour = random.Random(f"page {self.seed} {self.on.name}")
        slowly, search = behaviour.choice([0, 150, 700, self.slowest]), behaviour.choice([0, 60, 400, self.slowest])
        judged = behaviour.choice(["", "&judged=300"])
        redraw = behaviour.choice(["", "&redraw"])
        return f"{SITE}&slowly={slowly}&search={search}{judged}{redraw}"

    def steps(self) -> Iterator[float]:
        """Do it all, one act after the other; each yields the milliseconds until the next."""
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
        return self.random.uniform(*KEYS_MS)

    def go_to(self, place: str) -> Iterator[float]:
        if place == self.place:
            return
        selector = {"title": self.on.title, "tag": self.on.tag_input}.get(place) or self.body_selector
        for _ in range(5):
            self.point_at(f"document.querySelector({json.dumps(selector)})")
            if self.hands.evaluate(f"!!window.pointed?.closest({json.dumps(selector)})"):
                break
            yield self.pause()
        else:
            return
        if self.place == "tag" and self.on.name != "svelte":
            self.commit()
        self.place = place
        self.hands.press("Control+End" if place == "body" else "End")
        self.texts[place].caret = len(self.texts[place].value)
        yield self.pause()

    @property
    def room(self) -> int:
        """How many tags they may type: a page takes five, and one that it will refuse may be among them for a while."""
        return 5 - len(self.on.had_tags) - len(OFFERS)

    @property
    def body_selector(self) -> str:
        return f"{self.on.editor} .js-editor" if self.on.editor else "#wmd-input"

    def type_into(self, place: str, count: int) -> Iterator[float]:
        if place == "tag" and len(self.typed) >= self.room:
            return
        yield from self.go_to(place)
        if self.place != place:
            return
        letters = "qzx" if place == "tag" else "abc defg "
        for _ in range(count):
            key = self.random.choice([*letters, *letters, "Backspace", "ArrowLeft"])
            if key == "Backspace" and self.texts[place].value[: self.texts[place].caret] == "":
                # There, it would take out a tag.
                continue
            self.hands.press(key)
            self.texts[place].key(key)
            yield self.pause()

    def type_tag(self) -> Iterator[float]:
        yield from self.type_into("tag", self.random.randint(2, 5))
        if self.place == "tag" and self.texts["tag"].value:
            self.hands.press("Space")
            self.commit()
            yield self.pause()

    def commit(self) -> None:
        """The page makes a tag of what is in its field."""
        if self.texts["tag"].value and self.texts["tag"].value not in self.typed:
            self.typed.append(self.texts["tag"].value)
        self.texts["tag"] = Text("")

    def press_chip(self, tag: str) -> Iterator[float]:
        if dict(self.hands.evaluate(LOOKS)).get(tag) == "offered" and self.point_at(CHIP % tag):
            pressed, look = self.hands.evaluate("window.pointedChip") or (None, None)
            if look == "offered":
                self.clicked.append(pressed)
            elif look == "chosen":
                self.clicked.remove(pressed)
        yield self.pause()

    def point_at(self, element: str) -> bool:
        """Click on the middle of an element, unless something lies over it."""
        place = self.hands.evaluate(
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
        if place:
            self.hands.click(*place)
        return bool(place)

    def state(self) -> dict[str, Any]:
        """What the page holds."""
        body = f"""document.querySelector({json.dumps(self.body_selector)})"""
        return self.hands.evaluate(
            f"""({{
                title: document.querySelector({json.dumps(self.on.title)}).value,
                body: {body}.value ?? {body}.textContent,
                tag: document.querySelector({json.dumps(self.on.tag_input)}).value,
                tags: [...document.querySelectorAll({json.dumps(self.on.chosen)})]
                    .map((chip) => chip.textContent.replace(/Dismiss .* tag/, "").trim()).sort(),
                adding: {LOOKS}.filter(([, look]) => look === "adding").length,
            }})"""
        )

    def meant(self) -> dict[str, Any]:
        """What it should hold once all is quiet."""
        taken = [TAKEN[tag] for tag in self.clicked if tag in TAKEN]
        texts = {place: text.value for place, text in self.texts.items()}
        return {**texts, "tags": sorted([*self.on.had_tags, *self.typed, *taken]), "adding": 0}


def type_together(typists: Iterable[Typist], wait: Callable[[float], None]) -> None:
    """Let all of them type at the same time, each at their own pace; ``wait`` waits some seconds."""
    order = itertools.count()
    waiting = [(time.monotonic(), next(order), typist.steps()) for typist in typists]
    while waiting:
        due, _, steps = heapq.heappop(waiting)
        wait(max(0.0, due - time.monotonic()))
        pause = next(steps, None)
        if pause is not None:
            heapq.heappush(waiting, (time.monotonic() + pause / 1000, next(order), steps))
