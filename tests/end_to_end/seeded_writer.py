"""A writer who does by a seed what writers do, and notes down what she did: the truth that counting is held to."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.extension.browser import ask_page, chip, chosen, eventually, look, side, suggested

# Longer than the 750 ms after which a chip counts as viewed, by the page's own clock. Milliseconds.
LOOK_MS = 950
# A tag that is gone is counted after 250 ms in which the page's tags were at rest. Milliseconds.
REST_MS = 400
DEBOUNCE_MS = 100
MOST_TABS = 2

SUBJECTS = [
    "merge two pandas DataFrames in Python",
    "select a row in a MySQL table with PHP",
    "center a div in CSS and HTML",
    "read a file line by line in C# and LINQ",
    "sort a list of objects in Java",
    "write a regex for dates in JavaScript",
    "undo the last git commit",
    "draw a plot with ggplot2 in R",
]
ASIDES = [" after an update", " on Linux", " with a loop", " in a test", " and numpy", " using jQuery", " on Android"]


@dataclass
class Draft:
    """What was done in one draft: ``acts`` are (kind, tag) in their order, ``posted`` is (tags, number)."""

    title: str = ""
    viewed: set[str] = field(default_factory=set)
    acts: list[tuple[str, str]] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    posted: tuple[list[str], int] | None = None

    def truth(self) -> tuple[Any, ...]:
        """All that must be found in the database, in a form that can be compared."""
        return sorted(self.viewed), self.acts, self.posted

    @property
    def counts(self) -> bool:
        return bool(self.viewed or self.posted)


@dataclass
class Tab:
    """One tab, and the draft that is written in it."""

    page: Page
    draft: Draft


class Writer:
    """Writes in up to two tabs of one browser; ``startle`` is called before each act."""

    def __init__(self, seed: int, startle: Callable[[], None]) -> None:
        self._seed = seed
        self.chance = random.Random(f"{seed} beginning")
        self.drafts: list[Draft] = []
        self.acts_done: list[str] = []
        self._startle = startle
        self._tabs: list[Tab] = []
        self._front = 0
        self._questions = 79_000_000 + 1000 * seed

    @property
    def tab(self) -> Tab:
        return self._tabs[self._front]

    def begin(self, context: BrowserContext) -> None:
        """Go on in a browser just started: with the question that the site has kept, or with a new one."""
        self._context = context
        self._tabs = []
        kept = self._kept_title()
        own = [draft for draft in self.drafts if draft.title == kept and not draft.posted]
        if own:
            self._tabs.append(Tab(ask_page(context, f"?number={self._next_number()}"), own[0]))
            self._front = 0
            self.look()
        else:
            self.open_tab()

    def _kept_title(self) -> str:
        page = self._context.new_page()
        page.goto("https://stackoverflow.com/questions/4711/another-question")
        kept: str = page.evaluate("JSON.parse(localStorage.getItem('classic-draft') ?? '{}').title ?? ''")
        page.close()
        return kept

    def _next_number(self) -> int:
        self._questions += 1
        return self._questions

    def open_tab(self) -> None:
        """A new tab with a new question in it."""
        page = ask_page(self._context, f"?fresh&number={self._next_number()}")
        # From now on a reload brings back what was written.
        page.evaluate("history.replaceState(null, '', location.href.replace('fresh&', ''))")
        self._tabs.append(Tab(page, self._new_draft()))
        self._front = len(self._tabs) - 1
        self._write_title()

    def _new_draft(self) -> Draft:
        draft = Draft()
        self.drafts.append(draft)
        return draft

    def _write_title(self) -> None:
        # No two drafts have the same title, so that a restored one can be told.
        self.tab.draft.title = f"How do I {self.chance.choice(SUBJECTS)}, case {len(self.drafts)}?"
        self.tab.page.locator("#title").fill(self.tab.draft.title)
        self.look()

    def look(self) -> None:
        """Look at the chips until nothing has changed for long enough; what was on screen then was viewed."""
        page, before = self.tab.page, None
        # A chip under the pointer says more about itself, over what is below.
        page.mouse.move(1, 1)
        while before is None or before != suggested(page):
            page.evaluate(f"() => new Promise((resolve) => setTimeout(resolve, {DEBOUNCE_MS + 60}))")
            expect(page.locator("[data-tagalong] .panel[data-busy]")).to_have_count(0)
            page.locator("[data-tagalong]").scroll_into_view_if_needed()
            before = suggested(page)
            # By the page's own timers: however slow the machine is, those of the extension came first.
            page.evaluate(
                f"""() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(
                    () => setTimeout(resolve, {LOOK_MS}))))"""
            )
        self.tab.draft.viewed |= set(before)

    def _tags(self) -> list[str]:
        tags: list[str] = chosen(self.tab.page).evaluate_all("tags => tags.map((tag) => tag.firstChild.data)")
        return tags

    def _chips_that_are(self, *looks: str) -> list[str]:
        page = self.tab.page
        return [tag for tag in suggested(self.tab.page) if look(page, tag).get_attribute("data-look") in looks]

    def step(self) -> None:
        """One act that is possible now, drawn by chance."""
        weights = {
            self.type_on: 1,
            self.accept: 5 if self._chips_that_are("offered") and len(self._tags()) < 5 else 0,
            self.dismiss: 4 if self._chips_that_are("offered") else 0,
            self.restore: 5 if self._chips_that_are("dismissed") else 0,
            self.remove: 4 if self._tags() else 0,
            self.type_tag: 1 if len(self._tags()) < 5 else 0,
            self.reload: 1.5,
            self.other_tab: 1.5,
            self.fail_to_post: 1 if self._tags() else 0,
            self.post: 3 if self._tags() and self.tab.draft.viewed else 0,
        }
        # Anew for each act: one that goes another way on a slower machine does not change all that follow.
        self.chance = random.Random(f"{self._seed} act {len(self.acts_done)}")
        act = self.chance.choices(list(weights), list(weights.values()))[0]
        self.acts_done.append(act.__name__)
        self._startle()
        act()

    def type_on(self) -> None:
        draft = self.tab.draft
        draft.title = self.tab.page.locator("#title").input_value() + self.chance.choice(ASIDES)
        self.tab.page.locator("#title").fill(draft.title)
        self.look()

    def accept(self) -> None:
        tag = self.chance.choice(self._chips_that_are("offered"))
        chip(self.tab.page, tag).click()
        self._expect(tag, "chosen")
        if tag in self.tab.draft.accepted:
            # Killed at once, the browser had not kept it for the site: the restored page came without it.
            self._note("removed", tag)
        self._note("accepted", tag)
        self.tab.draft.accepted.add(tag)
        self.look()

    def dismiss(self) -> None:
        tag = self.chance.choice(self._chips_that_are("offered"))
        side(self.tab.page, tag).click()
        self._expect(tag, "dismissed")
        self._note("dismissed", tag)
        self.look()

    def restore(self) -> None:
        tag = self.chance.choice(self._chips_that_are("dismissed"))
        side(self.tab.page, tag).click()
        self._expect(tag, "offered")
        self._note("restored", tag)
        self.look()

    def remove(self) -> None:
        tags = self._tags()
        tag = self.chance.choice(tags)
        chosen(self.tab.page).nth(tags.index(tag)).locator(".js-delete-tag").click()
        assert eventually(lambda: tag not in self._tags())
        self.tab.page.evaluate(f"() => new Promise((resolve) => setTimeout(resolve, {REST_MS}))")
        if tag in self.tab.draft.accepted:
            self.tab.draft.accepted.remove(tag)
            self._note("removed", tag)
        self.look()

    def type_tag(self) -> None:
        """By hand, one that is offered if there is one: that is agreement, and no event."""
        tags = self._chips_that_are("offered") or ["join"]
        self.tab.page.locator("#tageditor-replacing-tagnames--input").press_sequentially(f"{tags[0]} ")
        self.look()

    def reload(self) -> None:
        # The site keeps one draft, that of the tab which wrote last.
        self.tab.page.locator("#title").dispatch_event("input")
        self.tab.page.reload()
        self.look()

    def other_tab(self) -> None:
        if len(self._tabs) < MOST_TABS:
            self.open_tab()
        else:
            self._front = 1 - self._front
            self.tab.page.bring_to_front()
            self.look()

    def fail_to_post(self) -> None:
        """The page finds a fault and keeps her: nothing is posted."""
        page = self.tab.page
        page.locator("#wmd-input").fill("Too short.")
        page.locator("#submit-button").click()
        expect(page.locator("#body-message")).to_be_visible()
        self.look()

    def post(self) -> None:
        page, draft = self.tab.page, self.tab.draft
        page.locator("#wmd-input").fill("I have tried this and that for hours, and it fails in a way I do not see.")
        self.look()
        tags = self._tags()
        self._startle()
        page.locator("#submit-button").click()
        page.wait_for_url(re.compile(r"/questions/\d+"))
        number = int(re.search(r"/questions/(\d+)", page.url)[1])  # type: ignore[index]
        draft.posted = (tags, number)
        page.wait_for_timeout(800)
        page.close()
        self._tabs.pop(self._front)
        self._front = 0
        if not self._tabs:
            self.open_tab()

    def _expect(self, tag: str, how: str) -> None:
        expect(look(self.tab.page, tag)).to_have_attribute("data-look", how)

    def _note(self, kind: str, tag: str) -> None:
        self.tab.draft.acts.append((kind, tag))
