"""What the documentation names exists: files, headings, commands, options, make targets and settings."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from backend.cli import main as server
from backend.settings import Settings
from model.cli import main as model

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("store/*.md")]
)


def links(page: str) -> Iterator[str]:
    """The places that a page links to or shows, in Markdown and in HTML."""
    yield from re.findall(r"\]\(([^)\s]+)\)", page)
    yield from re.findall(r'(?:src|srcset|href)="([^"]+)"', page)


def anchor(heading: str) -> str:
    """The name that a heading gets where the page is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(page: str) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links(page.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        place, _, fragment = link.partition("#")
        target = (page.parent / unquote(place)) if place else page
        assert target.exists(), f"{page.name} links to {link}"
        if fragment and target.suffix == ".md":
            assert fragment in headings(target.read_text()), f"{page.name} links to {link}"


def written(page: str) -> Iterator[str]:
    """What a page shows as code: whole lines of blocks, and pieces of lines."""
    for block in re.findall(r"^```.*?\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))


def find(group: click.Group, words: list[str]) -> click.Command | None:
    """The command that the words begin with; None if there is none."""
    command: click.Command = group
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.commands.get(word)
        if found is None:
            return None
        command = found
    return command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_a_page_shows_exists(page: Path) -> None:
    for code in written(page.read_text()):
        for name, group in (("tagalong-server", server), ("tagalong-model", model)):
            for call in re.findall(rf"{name} ([^#|;&>]+)", code):
                words = call.replace("[", " ").replace("]", " ").split()
                command = find(group, words)
                assert command is not None, f"{page.name} shows `{name} {call}`"
                known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
                for word in words:
                    if word.startswith("--"):
                        assert word.partition("=")[0] in known, f"{page.name} shows {word} of `{name} {call}`"


@pytest.mark.parametrize(("name", "group"), [("tagalong-server", server), ("tagalong-model", model)])
def test_every_command_is_told_of_on_some_page(name: str, group: click.Group) -> None:
    told = "\n".join(code for page in PAGES for code in written(page.read_text()))
    untold = [command for command in group.commands if not re.search(rf"{name} +{command}\b", told)]
    assert not untold, f"no page tells of {untold} of {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_a_page_runs_exists(page: Path) -> None:
    for code in written(page.read_text()):
        for module in re.findall(r"python -m ((?:bench|docs|store|tests)\.[\w.]+)", code):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), f"{page.name} runs {module}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_shows_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in written(page.read_text()):
        for target in re.findall(r"(?:^|\s|`)make ((?:[a-z]+-?)+)", code):
            assert target in targets, f"{page.name} shows `make {target}`"


def test_the_settings_have_a_row_each_and_there_is_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = {name for row in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert rows == {f"TAGALONG_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("group", [server, model], ids=["tagalong-server", "tagalong-model"])
def test_every_command_says_what_it_does_and_what_its_options_mean(group: click.Group) -> None:
    for name, command in group.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_a_room_that_a_page_names_exists(page: Path) -> None:
    rooms = "backend|bench|deploy|docs|extension|migrations|model|requirements|store|tests"
    for code in written(page.read_text()):
        for name in re.findall(rf"(?:^|\s)((?:{rooms})/[\w./*-]*)", code):
            made_by_the_reader = name.startswith("deploy/secrets")
            assert made_by_the_reader or list(ROOT.glob(name.rstrip("/"))), f"{page.name} names {name}"
