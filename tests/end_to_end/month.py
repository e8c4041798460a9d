"""A simulated month in the life of a model: a better version becomes champion, a worse one and a broken one do not.

    python -m tests.end_to_end.month --seed 7

The service is a process of its own with a real database. Simulated writers, whose taste is known, ask it over HTTP and
tell it what they did; versions are deployed by the command. At the end of each day, what is in the database is moved
one day into the past, so that the service's own clock need not be touched. The script keeps its own count of all that
happens, and /metrics must say the same.
"""

import asyncio
import hashlib
import json
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import click
import httpx2
import onnx
from sqlalchemy import Date, DateTime, Table, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.demo.writers import Question, SimulatedDraft, Taste, choose_actions, read_questions, simulate_drafts
from backend.experiments.service import Experiments
from backend.postgres.database import Database
from backend.postgres.embedded.cluster import SUPERUSER
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.locks import wait_for_lock
from backend.schema import METADATA
from tests.backend.service import BACKGROUND_LOCKS
from tests.end_to_end.process import ROOT, run, serving

LIGHT = ROOT / "model" / "released" / "light"
SITE = "stackoverflow.com"

# Writers at work at once.
AT_ONCE = 4

# Each writer never uses so many of the tags that others would: their own taste.
DISLIKED = 0.15


@dataclass(frozen=True)
class Plan:
    """How long and how busy the month is.

    Attributes:
        days: of the month.
        drafts: begun on an average day.
        alone: days on which the first champion is alone.
        horizon: of the better version's experiment, in installs; None: the service plans it.
        min_weeks: that this experiment lasts at least.
    """

    days: int = 28
    drafts: int = 150
    alone: int = 7
    horizon: int | None = None
    min_weeks: int = 1


MONTH = Plan()
SHORTENED = Plan(days=6, drafts=100, alone=1, horizon=75, min_weeks=0)

# A Friday, so that in the shortened month, whose first day is a Sunday, many write while versions are tried.
LAST = datetime(2026, 6, 26, 23, 59, tzinfo=UTC)


@dataclass
class Draft:
    """What the script itself knows of one draft."""

    day: int
    install: UUID
    version: str
    offered: set[str] = field(default_factory=set)
    viewed: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    dismissed: set[str] = field(default_factory=set)
    posted: tuple[str, ...] | None = None


@dataclass
class Story:
    """All that happened, by the script's own count."""

    drafts: list[Draft] = field(default_factory=list)
    answers: int = 0
    events: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    arms: dict[tuple[int, UUID], set[str]] = field(default_factory=lambda: defaultdict(set))
    steps: list[tuple[int, str]] = field(default_factory=list)

    def counts(self, drafts: Sequence[Draft] | None = None) -> dict[str, tuple[float, int]]:
        """Figures of some drafts or all, as numerator and denominator; Jaccard as sum and n."""
        chosen = self.drafts if drafts is None else drafts
        posted = [draft for draft in chosen if draft.posted is not None]
        seen = [draft for draft in chosen if draft.viewed]

        def items(name: str, of: Sequence[Draft]) -> int:
            return sum(len(getattr(draft, name)) for draft in of)

        viewed_of_posted = items("viewed", posted)
        return {
            "acceptance": (items("accepted", chosen), items("viewed", chosen)),
            "dismissal": (items("dismissed", chosen), items("viewed", chosen)),
            "kept": (sum(len(draft.accepted & set(draft.posted or ())) for draft in posted), viewed_of_posted),
            "agreement": (sum(len(draft.viewed & set(draft.posted or ())) for draft in posted), viewed_of_posted),
            "help": (sum(bool(draft.accepted) for draft in seen), len(seen)),
            "coverage": (sum(bool(draft.offered) for draft in chosen), len(chosen)),
            "jaccard": (sum(jaccard(draft) for draft in posted), len(posted)),
        }


def jaccard(draft: Draft) -> float:
    """Tags both offered and posted, of tags offered or posted."""
    posted = set(draft.posted or ())
    return len(draft.offered & posted) / len(draft.offered | posted)


def register(
    models: Path, number: int, *, mixed_up: float = 0.0, first: float | None = None, broken: bool = False
) -> str:
    """Register a version made of the shipped light model; return its name.

    Args:
        models: the registry's folder.
        number: of the version.
        mixed_up: part of the tags whose names are exchanged, so that the wrong ones are suggested.
        first: the score that the best tag needs before any is offered, if not the shipped model's.
        broken: whether its files are damaged, and its checks have said so.
    """
    graph = onnx.load(str(LIGHT / "model.onnx"))
    names = next(each for each in graph.graph.initializer if each.name == "tag_names")
    tags = list(names.string_data)
    for place in range(0, int(len(tags) * mixed_up) - 1, 2):
        tags[place], tags[place + 1] = tags[place + 1], tags[place]
    pick = random.Random(number)
    if mixed_up:
        common = [place for place in range(400) if pick.random() < mixed_up]
        for place, name in zip(common, [tags[place] for place in common[1:] + common[:1]], strict=True):
            tags[place] = name
    names.ClearField("string_data")
    names.string_data.extend(tags)
    for about in graph.metadata_props:
        if about.key == "tags":
            about.value = json.dumps([tag.decode() for tag in tags])
    content = graph.SerializeToString()
    manifest = json.loads((LIGHT / "manifest.json").read_text())
    digest = hashlib.sha256(content + str(number).encode()).hexdigest()
    version = f"light-{digest[:8]}"
    manifest |= {"version": version, "files": {"model.onnx": hashlib.sha256(content).hexdigest()}}
    if first is not None:
        manifest["decision"] |= {"first": first}
    check = {"name": "load", "passed": not broken, "value": int(not broken), "bound": 1}
    says = "it can't be loaded" if broken else "it is loaded and answers"
    folder = models / str(number)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content[: len(content) // 2] if broken else content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    about_version = {
        "format": 1,
        "number": number,
        "version": version,
        "state": "refused" if broken else "checked",
        "checks": [check | {"says": says}],
    }
    (folder / "version.json").write_text(json.dumps(about_version))
    return version


class Month:
    """The month as it goes on."""

    def __init__(self, plan: Plan, seed: int, data_dir: Path, settings: dict[str, str]) -> None:
        self.plan, self.seed, self.data_dir = plan, seed, data_dir
        self.models = data_dir.parent / "models"
        self.a = register(self.models, 1, mixed_up=0.8)
        self.b = register(self.models, 2)
        self.c = register(self.models, 3, first=0.95)
        self.d = register(self.models, 4, broken=True)
        self.settings = settings | {
            "TAGALONG_MODEL_DIR": str(self.models / "1"),
            "TAGALONG_MODELS_DIR": str(self.models),
            "TAGALONG_ADMIN_PASSWORD": "correct horse",
        }
        self.story = Story()
        self.day = 0
        self.sequences: Counter[UUID] = Counter()
        self.champion = self.a

    async def live(self) -> None:
        """Live through all of it, and check what /metrics says."""
        away_from_midnight()
        log = (self.data_dir.parent / "service.log").open("w")
        with log, serving(self.data_dir, stderr=log, **self.settings) as (_, address, _):
            url = self.settings.get("TAGALONG_DATABASE_URL") or EmbeddedPostgres(self.data_dir).running_url()
            assert url
            self.url = make_url(url).set(drivername="postgresql+asyncpg")
            async with httpx2.AsyncClient(base_url=address, timeout=30) as self.client, self.judging():
                writing = simulate_drafts(
                    read_questions(),
                    seed=self.seed,
                    days=self.plan.days,
                    drafts=self.plan.drafts,
                    until=LAST,
                    taste=Taste(refuses=0.15),
                )
                await self.until_it_is_given(self.a)
                by_day: dict[str, list[SimulatedDraft]] = defaultdict(list)
                for draft in writing:
                    by_day[f"{draft.started_at:%j}"].append(draft)
                for self.day, today in enumerate(by_day.values()):
                    await self.deploy_what_is_due()
                    await self.write(today)
                    await self.judge()
                    if self.day < len(by_day) - 1:
                        await self.pass_a_day()
                self.days = len(by_day)
                await self.check()

    @asynccontextmanager
    async def judging(self) -> AsyncIterator[None]:
        """The script is one more replica that judges experiments: the service does it each minute; days are shorter."""
        database = Database(self.url.render_as_string(hide_password=False))
        self.experiments = Experiments(database)
        try:
            yield
        finally:
            await database.close()

    async def deploy_what_is_due(self) -> None:
        """One step of the life of the models, on the day it is due."""
        done = [step for _, step in self.story.steps]
        if self.day >= self.plan.alone and "deploy B" not in done:
            horizon = [] if self.plan.horizon is None else ["--horizon", str(self.plan.horizon)]
            weeks = ["--min-weeks", str(self.plan.min_weeks)]
            await self.deploy(
                "B", 2, "--share", "50%", "--smallest-difference", "10pp", "--promote-if-better", *weeks, *horizon
            )
            await self.until_it_is_given(self.b)
        elif "promote B" in done and "deploy C" not in done:
            await self.deploy("C", 3, "--share", "40%")
            await self.until_it_is_given(self.c)
        elif "roll back C" in done and "refuse D" not in done:
            refused = await self.command("deploy", "4", "--share", "10%")
            assert refused.returncode == 1
            assert "load was not passed: it can't be loaded" in refused.stderr
            assert "its sha256 differs" in refused.stderr
            self.told("refuse D")

    async def deploy(self, name: str, number: int, *options: str) -> None:
        deployed = await self.command("deploy", str(number), *options)
        assert deployed.returncode == 0, deployed.stderr
        self.told(f"deploy {name}")

    async def command(self, *arguments: str) -> Any:
        return await asyncio.to_thread(run, self.data_dir, *arguments, **self.settings)

    def told(self, step: str) -> None:
        self.story.steps.append((self.day, step))
        print(f"day {self.day + 1}: {step}", flush=True)

    async def until_it_is_given(self, version: str, *, given: bool = True) -> None:
        """Wait until the service serves a version, or does so no more."""
        for _ in range(100):
            answers = [await self.ask(uuid4(), uuid4(), "How do I sort a list?") for _ in range(12)]
            if (version in {answer["model_version"] for answer in answers}) == given:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"the service did not follow the deployment of {version}")

    async def ask(
        self, install: UUID, draft: UUID, title: str, body: str = "", *, record: bool = False
    ) -> dict[str, Any]:
        state: dict[str, Any] = {
            "draft_id": str(draft),
            "install_id": str(install),
            "extension_version": "0.1.0",
            "site": SITE,
        }
        state |= {"page": "classic", "title": title, "body": body, "body_format": "markdown", "limit": 5}
        return await self.post("/api/v1/suggestions", state | {"record": record})

    async def post(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            response = await self.client.post(path, json=message)
        except httpx2.HTTPError as error:
            self.story.failures.append(repr(error))
            raise
        self.story.seconds.append(time.perf_counter() - started)
        if response.status_code != 200:
            self.story.failures.append(f"{response.status_code} {response.text}")
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer

    async def write(self, today: Sequence[SimulatedDraft]) -> None:
        """All drafts of a day, some writers at once."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(draft: SimulatedDraft) -> None:
            async with places:
                await self.write_draft(draft)

        await asyncio.gather(*map(one, today))

    async def write_draft(self, simulated: SimulatedDraft) -> None:
        """Write a draft from its first answer to its posting."""
        question, install = simulated.question, simulated.install_id
        offers: list[tuple[timedelta, str, list[str]]] = []
        draft = None
        for seconds, body in ((5, ""), (60, question.body))[simulated.seed % 2 :]:
            answer = await self.ask(install, simulated.draft_id, question.title, body, record=True)
            # On a busy machine recording may take too long. The next keystroke asks again, about the same tags.
            for _ in range(5):
                if answer["suggestion_id"] is not None:
                    break
                answer = await self.ask(install, simulated.draft_id, question.title, body, record=True)
            self.story.answers += 1
            draft = draft or Draft(self.day, install, answer["model_version"])
            assert answer["model_version"] == draft.version
            chips = [item["tag"] for item in answer["items"] if item["confident"]]
            draft.offered |= set(chips)
            offers.append((timedelta(seconds=seconds), answer["suggestion_id"], chips))
        assert draft is not None
        self.story.drafts.append(draft)
        self.story.arms[len(self.story.steps), install].add(draft.version)
        own = SimulatedDraft(
            simulated.draft_id,
            install,
            simulated.taste,
            as_liked(question, install),
            simulated.started_at,
            simulated.seed,
        )
        events = []
        for action in choose_actions(own, [(after, chips) for after, _, chips in offers]):
            self.sequences[install] += 1
            event: dict[str, Any] = {"id": str(uuid4()), "sequence": self.sequences[install], "kind": action.kind}
            event |= {"occurred_at": datetime.now(UTC).isoformat(), "draft_id": str(simulated.draft_id)}
            if action.kind == "posted":
                draft.posted = action.tags
                event |= {"tags": list(action.tags), "question_id": None, "site": SITE}
            else:
                assert action.tag is not None
                event |= {
                    "tag": action.tag,
                    "suggestion_id": next(id for _, id, chips in offers if action.tag in chips),
                }
                if action.kind == "viewed":
                    event["position"] = action.position
                if action.kind != "removed":
                    getattr(draft, action.kind).add(action.tag)
            events.append(event)
        draft.dismissed -= draft.accepted
        if events:
            sent = {"install_id": str(install), "sent_at": datetime.now(UTC).isoformat(), "events": events}
            receipt = await self.post("/api/v1/events", sent)
            assert receipt == {"new": len(events), "known": 0, "refused": []}
            self.story.events += len(events)

    async def judge(self) -> None:
        """Judge the experiment, and see what became of it."""
        await self.experiments.evaluate()
        rows = await self.metrics("deployments")
        done = [step for _, step in self.story.steps]
        if "deploy B" in done and "promote B" not in done and any(row["role"] == "champion" for row in rows):
            self.told("promote B")
            self.champion = self.b
            await self.until_it_is_given(self.a, given=False)
        if (
            "deploy C" in done
            and "roll back C" not in done
            and any(row["number"] == 3 and row["ended_at"] for row in rows)
        ):
            self.told("roll back C")
            await self.until_it_is_given(self.c, given=False)

    async def pass_a_day(self) -> None:
        """Move all that is in the database one day into the past."""
        engine = create_async_engine(self.url.set(username=SUPERUSER))
        async with engine.begin() as connection:
            # Nothing has happened that sums or sequences should hear of.
            await connection.execute(text("SET session_replication_role = replica"))
            # Work in the background that has looked at the days before must be done with them.
            for lock in BACKGROUND_LOCKS:
                await wait_for_lock(connection, lock)
            names = ", ".join(sorted(METADATA.tables))
            await connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
            for table in METADATA.tables.values():
                for shift in ("+ 100000", "- 100001"):
                    # By way of a far day, since keys may hold a minute or a day, and no two rows may meet.
                    if moved := shifted(table, shift):
                        await connection.execute(text(f"UPDATE {table.name} SET {moved}"))
        await engine.dispose()

    async def metrics(self, panel: str, **filters: str) -> list[dict[str, Any]]:
        auth = ("admin", self.settings["TAGALONG_ADMIN_PASSWORD"])
        response = await self.client.get(f"/metrics/{panel}.json", params={"period": "all"} | filters, auth=auth)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows

    async def check(self) -> None:
        """Everything happened as it should have, and /metrics says just that."""
        story = self.story
        assert [step for _, step in story.steps] == [
            "deploy B",
            "promote B",
            "deploy C",
            "roll back C",
            "refuse D",
        ], story.steps
        assert story.failures == []
        assert all(len(versions) == 1 for versions in story.arms.values()), "an install was given two versions"
        versions = Counter(draft.version for draft in story.drafts)
        assert set(versions) == {self.a, self.b, self.c}
        await self.check_figures()
        await self.check_lives()

    async def check_figures(self) -> None:
        """Every figure of /metrics is that of the script's own count: in all, by day and by version."""
        story = self.story
        overview = {row["figure"]: row["result"] for row in await self.metrics("overview")}
        expect(overview, story.counts())
        today = datetime.now(UTC).date()
        days = await self.metrics("days")
        assert len(days) >= self.days
        for row in days:
            day = self.days - 1 - (today - datetime.fromisoformat(row["day"]).date()).days
            expect(row, story.counts([draft for draft in story.drafts if draft.day == day]))
        for row in await self.metrics("models"):
            # A draft keeps its version here, so its items have the same one.
            expect(row, story.counts([draft for draft in story.drafts if draft.version == row["model_version"]]))
        books = {(row["group"], row["name"]): row["n"] for row in await self.metrics("bookkeeping")}
        assert (books["events", "received"], books["events", "lost"]) == (story.events, 0)
        assert books["items", "impossible"] == 0
        assert not [group for group, _ in books if group == "refused"]

    async def check_lives(self) -> None:
        """What became of the versions, when, and why."""
        rows = await self.metrics("deployments")
        lives = {(row["number"], row["role"]): row for row in rows}
        assert set(lives) == {(2, "challenger"), (2, "champion"), (3, "challenger")}
        assert (lives[2, "challenger"]["stands"], lives[2, "challenger"]["ended_because"]) == ("better", "promoted")
        assert lives[2, "champion"]["ended_at"] is None
        assert lives[3, "challenger"]["ended_because"].startswith("guardrail: coverage: challenger ")
        b = lives[2, "challenger"]
        assert b["verdict_installs"] >= b["horizon"]
        assert 0 < b["verdict_low"] < b["verdict_difference"] < b["verdict_high"]
        today = datetime.now(UTC)
        told = []
        for row in await self.metrics("releases"):
            day = self.days - 1 - (today.date() - datetime.fromisoformat(row["at"]).date()).days
            told.append(
                (day, " ".join(row["what"].split()[: 2 if row["what"].startswith(("deploy", "promote")) else 3]))
            )
        names = {"B": self.b, "C": self.c}
        assert told == [
            (day, f"{step[:-2]} {names[step[-1]]}") for day, step in self.story.steps if not step.startswith("refuse")
        ]
        (refusal,) = [row for row in await self.metrics("acts") if row["act"] == "refuse to deploy"]
        assert refusal["subject"] == self.d

    def report(self) -> str:
        """What the month was like, in a few lines."""
        story = self.story
        seconds = sorted(story.seconds)
        lines = [
            f"seed {self.seed}: {self.days} days, {len(story.drafts):,} drafts of "
            f"{len({draft.install for draft in story.drafts}):,} installs, {story.answers:,} answers, "
            f"{story.events:,} events; {len(seconds):,} requests, {len(story.failures)} failed, "
            f"p50 {seconds[len(seconds) // 2] * 1000:.1f} ms, p99 {seconds[len(seconds) * 99 // 100] * 1000:.1f} ms"
        ]
        for name, version in (("A", self.a), ("B", self.b), ("C", self.c)):
            mine = [draft for draft in story.drafts if draft.version == version]
            taken, viewed = story.counts(mine)["acceptance"]
            lines.append(f"{name} {version}: {len(mine):,} drafts, {taken} of {viewed} chips accepted")
        return "\n".join(lines)


def as_liked(question: Question, install: UUID) -> Question:
    """A question as one writer would tag it."""
    liked = [tag for tag in question.tags if taste_of(install, tag) >= DISLIKED]
    return Question(question.title, question.body, tuple(liked))


def taste_of(install: UUID, tag: str) -> float:
    """How much a writer likes a tag, 0 to 1; always the same."""
    return int.from_bytes(hashlib.sha256(f"{install} {tag}".encode()).digest()[:4], "big") / 2**32


def expect(row: Mapping[str, Any], counts: Mapping[str, tuple[float, int]]) -> None:
    """A row of /metrics has just these figures."""
    for name, (numerator, denominator) in counts.items():
        found = row[name]
        assert found["n"] == denominator, (name, found, denominator)
        if name == "jaccard":
            assert denominator == 0 or abs(found["value"] - numerator / denominator) < 2e-6, (name, found)
        else:
            assert found["numerator"] == numerator, (name, found, numerator)


def shifted(table: Table, days: str) -> str:
    """What an UPDATE sets to move a table's moments and days."""
    moments = [column.name for column in table.columns if isinstance(column.type, DateTime)]
    dates = [column.name for column in table.columns if isinstance(column.type, Date)]
    sign, number = days.split()
    return ", ".join(
        [f"{name} = {name} {sign} interval '{number} days'" for name in moments]
        + [f"{name} = {name} {sign} {number}" for name in dates]
    )


def away_from_midnight() -> None:
    """A simulated day must not begin on one day and end on the next."""
    now = datetime.now(UTC)
    left = (now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds()
    if left < 900:
        time.sleep(left + 1)


@click.command()
@click.option("--seed", type=click.IntRange(0), default=None, help="The same one, the same writers.")
@click.option("--days", type=click.IntRange(5), default=MONTH.days, show_default=True)
@click.option("--drafts", type=click.IntRange(50), default=MONTH.drafts, show_default=True, help="Begun on a day.")
def main(seed: int | None, days: int, drafts: int) -> None:
    """Live through a month, and say what it was like."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tagalong-") as folder:
        month = Month(Plan(days=days, drafts=drafts), seed, Path(folder) / "data", {})
        asyncio.run(month.live())
    print(month.report())


if __name__ == "__main__":
    main()
