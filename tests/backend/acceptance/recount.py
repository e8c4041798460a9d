"""The rates, counted independently from the same rows in plain Python, by the words of the definitions.

Nothing here is shared with the code under test, not even a formula.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.backend.acceptance.spread import Done
from tests.backend.acceptance.traffic import Rows

HALF_AN_HOUR = timedelta(minutes=30)
A_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Question:
    """A selection of drafts and items, as the definitions name it."""

    since: date
    until: date
    now: datetime
    vocabulary: Collection[str]
    kind: str = "ask"
    site: str | None = None
    model: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Answer:
    """A figure: a fraction, n, the exact mean or share, what is open, and what each writer did of it."""

    numerator: int
    denominator: int
    n: int
    value: Fraction | None
    open: int | None
    writers: Mapping[Any, Done] | None = None


def day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def share(hits: int, n: int, still_open: int | None) -> Answer:
    return Answer(hits, n, n, Fraction(hits, n) if n else None, still_open)


def mean(values: Iterable[tuple[int, int]], pooled: tuple[int, int], still_open: int | None) -> Answer:
    fractions = [Fraction(part, whole) for part, whole in values if whole]
    average = sum(fractions, Fraction(0)) / len(fractions) if fractions else None
    return Answer(*pooled, len(fractions), average, still_open)


def names_posted(draft: dict[str, Any]) -> list[str]:
    """Return the posted tags of a draft, by the names under which they were offered."""
    names: list[str] = draft["posted_tags"] if draft["posted_names"] is None else draft["posted_names"]
    return names


class Recount:
    """The rows, looked up by draft and suggestion."""

    def __init__(self, rows: Rows, question: Question) -> None:
        self.rows = rows
        self.question = question
        self.suggestions: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self.by_suggestion = {row["id"]: row for row in rows.suggestion}
        self.items: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in rows.suggestion:
            self.suggestions[row["draft_id"]].append(row)
        for row in rows.item:
            self.items[row["draft_id"]].append(row)
        self.drafts = [
            draft for draft in rows.draft if draft["kind"] == question.kind and question.site in (None, draft["site"])
        ]
        self.of_answer = [draft for draft in self.drafts if self.is_asked_for(draft)]

    def in_span(self, moment: datetime | None) -> bool:
        return moment is not None and self.question.since <= day(moment) <= self.question.until

    def is_asked_for(self, answer: dict[str, Any]) -> bool:
        """Return whether an answer, or a draft by its first one, is of the version and the origin of the question."""
        question = self.question
        return question.model in (None, answer["model_version"]) and question.origin in (None, answer["origin"])

    def answer(self, item: dict[str, Any]) -> dict[str, Any]:
        return self.by_suggestion[item["suggestion_id"]]

    def viewed_items(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [
            (draft, item)
            for draft in self.drafts
            for item in self.items[draft["id"]]
            if item["viewed_at"] is not None and self.is_asked_for(self.answer(item))
        ]

    def offered(self, draft: dict[str, Any]) -> set[str]:
        return {
            name
            for row in self.suggestions[draft["id"]]
            for name in (row["tags"] if row["names"] is None else row["names"])[: row["confident"]]
        }

    def first_view(self, draft: dict[str, Any]) -> datetime | None:
        return min((i["viewed_at"] for i in self.items[draft["id"]] if i["viewed_at"]), default=None)

    def figures(
        self,
        keep_item: Callable[..., bool] = lambda item, moment: True,
        keep_draft: Callable[..., bool] = lambda draft, moment: True,
        *,
        open_counts: bool = True,
    ) -> dict[str, Answer]:
        """Return every figure of the items and drafts that the filters keep; they get the moment each is counted by."""
        question, now = self.question, self.question.now
        seen = [
            (draft, item)
            for draft, item in self.viewed_items()
            if self.in_span(item["viewed_at"]) and keep_item(item, item["viewed_at"])
        ]
        seen_posted = [
            (draft, item)
            for draft, item in self.viewed_items()
            if self.in_span(draft["posted_at"]) and keep_item(item, draft["posted_at"])
        ]
        first_views = [
            (draft, view)
            for draft in self.of_answer
            if (view := self.first_view(draft)) and self.in_span(view) and keep_draft(draft, view)
        ]
        answered = [
            draft
            for draft in self.of_answer
            if self.suggestions[draft["id"]]
            and self.in_span(draft["started_at"])
            and keep_draft(draft, draft["started_at"])
        ]
        posted = [
            draft
            for draft in self.of_answer
            if self.suggestions[draft["id"]]
            and self.in_span(draft["posted_at"])
            and keep_draft(draft, draft["posted_at"])
        ]

        def is_open(draft: dict[str, Any]) -> bool:
            return draft["posted_at"] is None and now - draft["started_at"] < A_DAY

        still_open = [draft for draft in self.of_answer if is_open(draft) and self.suggestions[draft["id"]]]
        waiting: int | None = sum(keep_draft(draft, now) for draft in still_open)
        if not question.since <= day(now) <= question.until:
            waiting = 0
        if not open_counts:
            waiting = None
        fresh = sum(now - item["viewed_at"] < HALF_AN_HOUR for _, item in seen)
        accepted = sum(item["accepted_at"] is not None for _, item in seen)
        dismissed = sum(item["dismissed_at"] is not None and item["accepted_at"] is None for _, item in seen)
        agreed = [item for draft, item in seen_posted if item["tag"] in names_posted(draft)]
        helped = sum(
            any(i["accepted_at"] and i["viewed_at"] for i in self.items[draft["id"]]) for draft, _ in first_views
        )
        sets = [(self.offered(draft), set(names_posted(draft))) for draft in posted]
        hits, offers = sum(len(o & p) for o, p in sets), sum(len(o) for o, _ in sets)
        posts, unions = sum(len(p) for _, p in sets), sum(len(o | p) for o, p in sets)
        missed = [tag for o, p in sets for tag in p - o]
        judged = missed if question.vocabulary else []
        asking = [(o, p) for o, p in sets if p]
        by_writer = self.by_writer(seen, seen_posted, first_views, answered, posted)
        answers = {
            "acceptance": share(accepted, len(seen), fresh),
            "kept": share(sum(item["accepted_at"] is not None for item in agreed), len(seen_posted), waiting),
            "agreement": share(len(agreed), len(seen_posted), waiting),
            "dismissal": share(dismissed, len(seen), fresh),
            "help": share(helped, len(first_views), sum(now - view < HALF_AN_HOUR for _, view in first_views)),
            "coverage": share(
                sum(bool(self.offered(draft)) for draft in answered), len(answered), sum(map(is_open, answered))
            ),
            "missed": share(len(missed), posts, waiting),
            "unknown": share(sum(tag not in question.vocabulary for tag in judged), len(judged), waiting),
            "precision": mean([(len(o & p), len(o)) for o, p in sets], (hits, offers), waiting),
            "recall": mean([(len(o & p), len(p)) for o, p in sets], (hits, posts), waiting),
            "f1": mean([(2 * len(o & p), len(o) + len(p)) for o, p in sets], (2 * hits, offers + posts), waiting),
            "jaccard": mean([(len(o & p), len(o | p)) for o, p in sets], (hits, unions), waiting),
            "exact": share(sum(o == p for o, p in sets if o | p), sum(bool(o | p) for o, p in sets), waiting),
            "one_found": share(sum(bool(o & p) for o, p in asking), len(asking), waiting),
            "all_found": share(sum(p <= o for o, p in asking), len(asking), waiting),
        }
        return {name: replace(answer, writers=by_writer.get(name)) for name, answer in answers.items()}

    def by_writer(
        self,
        seen: Iterable[tuple[dict[str, Any], dict[str, Any]]],
        seen_posted: Iterable[tuple[dict[str, Any], dict[str, Any]]],
        first_views: Iterable[tuple[dict[str, Any], datetime]],
        answered: Iterable[dict[str, Any]],
        posted: Iterable[dict[str, Any]],
    ) -> dict[str, dict[Any, Done]]:
        """Return what each writer did of every figure but those of unknown tags: values and of how many."""
        values: dict[str, list[tuple[Any, float, int]]] = defaultdict(list)
        for draft, item in seen:
            install, is_accepted = draft["install_id"], item["accepted_at"] is not None
            values["acceptance"].append((install, is_accepted, 1))
            values["dismissal"].append((install, item["dismissed_at"] is not None and not is_accepted, 1))
        for draft, item in seen_posted:
            install, is_posted = draft["install_id"], item["tag"] in names_posted(draft)
            values["kept"].append((install, is_posted and item["accepted_at"] is not None, 1))
            values["agreement"].append((install, is_posted, 1))
        for draft, _ in first_views:
            helped = any(item["accepted_at"] and item["viewed_at"] for item in self.items[draft["id"]])
            values["help"].append((draft["install_id"], helped, 1))
        for draft in answered:
            values["coverage"].append((draft["install_id"], bool(self.offered(draft)), 1))
        for draft in posted:
            install, o, p = draft["install_id"], self.offered(draft), set(names_posted(draft))
            values["missed"] += [(install, tag not in o, 1) for tag in p]
            shares = {
                "precision": (len(o & p), len(o)),
                "recall": (len(o & p), len(p)),
                "f1": (2 * len(o & p), len(o) + len(p)),
                "jaccard": (len(o & p), len(o | p)),
                "exact": (o == p, bool(o | p)),
                "one_found": (bool(o & p), bool(p)),
                "all_found": (p <= o, bool(p)),
            }
            for name, (part, whole) in shares.items():
                values[name] += [(install, part / whole, 1)] if whole else []
        result: dict[str, dict[Any, Done]] = defaultdict(dict)
        for name, rows in values.items():
            for install, value, n in rows:
                done = result[name].get(install, Done(0, 0, 0))
                result[name][install] = Done(done.x + value, done.n + n, done.squares + value**2)
        return result

    def by_day(self) -> dict[date, dict[str, Answer]]:
        days = (self.question.until - self.question.since).days + 1
        return {
            one: self.figures(lambda _, moment, d=one: day(moment) == d, lambda _, moment, d=one: day(moment) == d)
            for one in (self.question.since + timedelta(n) for n in range(days))
        }

    def by_model(self) -> dict[str, dict[str, Answer]]:
        return self._by_answer("model_version")

    def by_origin(self) -> dict[str, dict[str, Answer]]:
        return self._by_answer("origin")

    def _by_answer(self, column: str) -> dict[str, dict[str, Answer]]:
        """Only values that something is counted for."""
        values = {row[column] for row in self.rows.suggestion + self.rows.draft}
        found = {
            one: self.figures(
                lambda item, _, v=one: self.answer(item)[column] == v, lambda draft, _, v=one: draft[column] == v
            )
            for one in sorted(values)
        }
        return {one: row for one, row in found.items() if any(a.n or a.open for a in row.values())}

    def by_position(self) -> dict[int | None, dict[str, Answer]]:
        positions = {item["position"] for _, item in self.viewed_items()}
        return self._of_items({one: (lambda item, _, p=one: item["position"] == p) for one in positions})

    def by_site(self) -> dict[str, dict[str, Answer]]:
        """Only sites that something is counted for."""
        of_draft = {row["id"]: row["site"] for row in self.rows.draft}
        found = {
            one: self.figures(
                lambda item, _, s=one: of_draft[item["draft_id"]] == s, lambda draft, _, s=one: draft["site"] == s
            )
            for one in sorted(set(of_draft.values()))
        }
        return {one: row for one, row in found.items() if any(a.n or a.open for a in row.values())}

    def by_length(self) -> dict[str, dict[str, Answer]]:
        bands = {"no body": (0, 0), "1 to 249": (1, 249), "250 to 999": (250, 999), "1000 to 2999": (1000, 2999)}

        def keep(item: dict[str, Any], least: int, most: int) -> bool:
            body_chars: int = self.by_suggestion[item["suggestion_id"]]["body_chars"]
            return least <= body_chars <= most

        return self._of_items(
            {
                name: (lambda item, _, least=least, most=most: keep(item, least, most))
                for name, (least, most) in (bands | {"3000 and more": (3000, 10**9)}).items()
            }
        )

    def by_score(self) -> dict[float, dict[str, Answer]]:
        """By where the tenth begins that the score lies in."""
        return self._of_items(
            {tenth / 10: (lambda item, _, t=tenth: min(int(item["score"] * 10 + 1e-6), 9) == t) for tenth in range(10)}
        )

    def by_tag(self) -> dict[str, dict[str, Answer]]:
        tags = {item["tag"] for _, item in self.viewed_items()} | {
            tag for draft in self.of_answer for tag in self.offered(draft) | set(names_posted(draft) or [])
        }
        found = self._of_items({one: (lambda item, _, t=one: item["tag"] == t) for one in tags})
        missed = self.missed()
        for tag in tags:
            row = found.setdefault(tag, self.figures(lambda *_: False, lambda *_: False, open_counts=False))
            row["missed"] = replace(share(*missed.get(tag, (0, 0)), None), writers=self.who_missed(tag))
        return found

    def _of_items(self, keeps: dict[Any, Any]) -> dict[Any, dict[str, Answer]]:
        rows = {key: self.figures(keep, lambda *_: False, open_counts=False) for key, keep in keeps.items()}
        return {key: row for key, row in rows.items() if row["acceptance"].n or row["kept"].n}

    def missed(self) -> dict[str, tuple[int, int]]:
        """By tag: drafts that posted it without being offered it, and drafts that posted it."""
        missed: Counter[str] = Counter()
        posted: Counter[str] = Counter()
        for draft in self.of_answer:
            if self.suggestions[draft["id"]] and self.in_span(draft["posted_at"]):
                for tag in set(names_posted(draft)):
                    posted[tag] += 1
                    missed[tag] += tag not in self.offered(draft)
        return {tag: (missed[tag], n) for tag, n in posted.items()}

    def who_missed(self, tag: str) -> dict[Any, Done]:
        """Return, of each writer, how many drafts posted a tag and how many of them without being offered it."""
        result: dict[Any, Done] = {}
        for draft in self.of_answer:
            if self.suggestions[draft["id"]] and self.in_span(draft["posted_at"]) and tag in names_posted(draft):
                done, missed = result.get(draft["install_id"], Done(0, 0, 0)), tag not in self.offered(draft)
                result[draft["install_id"]] = Done(done.x + missed, done.n + 1, done.squares + missed)
        return result

    def offered_in_posted(self) -> set[str]:
        """Return the tags offered in a posted draft of the span."""
        return {
            tag
            for draft in self.of_answer
            if self.suggestions[draft["id"]] and self.in_span(draft["posted_at"])
            for tag in self.offered(draft)
        }

    def impossible(self) -> int:
        return sum(
            item["impossible"] and self.is_asked_for(self.answer(item))
            for draft in self.drafts
            if self.in_span(draft["started_at"])
            for item in self.items[draft["id"]]
        )

    def of_traffic(self, install_id: Any) -> bool:
        """Return whether an install belongs to the kind's traffic: demo, or all others."""
        demo = {row["install_id"] for row in self.rows.draft if row["kind"] == "demo"}
        return (install_id in demo) == (self.question.kind == "demo")

    def latencies(self) -> dict[tuple[str, str | None], list[float]]:
        """Return the milliseconds of answers to drafts begun in the span, by origin and version; None: all versions."""
        found: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        for draft in self.drafts:
            if self.in_span(draft["started_at"]):
                for row in self.suggestions[draft["id"]]:
                    if self.is_asked_for(row):
                        for version in (None, row["model_version"]):
                            found[row["origin"], version].append(row["latency_ms"])
        return dict(found)

    def refused(self) -> dict[str, int]:
        return dict(
            Counter(
                row["reason"]
                for row in self.rows.refused
                if self.in_span(row["received_at"]) and self.of_traffic(row["install_id"])
            )
        )

    def received_and_lost(self) -> tuple[int, int]:
        """Distinct numbers received in the span, and the numbers missing just before one of them."""
        numbers: dict[Any, dict[int, datetime]] = defaultdict(dict)
        for row in self.rows.event + self.rows.refused + self.rows.waiting_event:
            if not self.of_traffic(row["install_id"]):
                continue
            first = numbers[row["install_id"]].get(row["sequence"], row["received_at"])
            numbers[row["install_id"]][row["sequence"]] = min(first, row["received_at"])
        received = lost = 0
        for known in numbers.values():
            before = 0
            for number in sorted(known):
                if self.in_span(known[number]):
                    received += 1
                    # Nobody has lost so many events in a row.
                    lost += gap if (gap := number - before - 1) <= 10_000 else 0
                before = number
        return received, lost

    def totals(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for row in self.rows.total:
            if self.question.since <= row["day"] <= self.question.until:
                found[row["name"]] += row["n"]
        return dict(found)
