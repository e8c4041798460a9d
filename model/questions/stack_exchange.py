"""Questions from the Stack Exchange API (version 2.3): page by page, or by their numbers.

https://api.stackexchange.com/docs: answers are compressed JSON in a wrapper with ``items``, ``has_more``,
``quota_remaining`` and sometimes ``backoff``, the seconds to wait before the same method is asked again. An error is
``error_id``, ``error_name`` and ``error_message``. Without a key an address has 300 requests a day, and 25 pages.
"""

import gzip
import http.client
import json
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import unescape
from typing import Any, Final

from model.questions import QuestionsError
from model.questions.posts import BadRow, Batch, Post, Refused, frame, post_of

ADDRESS: Final = "https://api.stackexchange.com/2.3"
FILTER: Final = "withbody"
"""The API's own filter that adds bodies to what a question has by default."""
AT_ONCE: Final = 100
"""Questions of a page, and numbers of a request: the API's most."""
TRIES: Final = 6
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 120.0
"""Seconds: a longer wait, as for a used up quota, ends the run, which then can go on later."""
AGAIN: Final = "Run the same command again later: it goes on where it stopped."
_SECONDS: Final = re.compile(r"in (\d+) second")
_PASSING: Final = frozenset([500, 502, 503])
"""The API's error numbers that pass: internal_error, throttle_violation, temporarily_unavailable."""


class Client:
    """Asks the API as it wants to be asked: never before a ``backoff`` is over, again after what passes."""

    quota_remaining: int | None = None

    def __init__(
        self,
        site: str,
        *,
        key: str | None = None,
        address: str = ADDRESS,
        say: Callable[[str], None] = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
        seconds: float = 30,
    ) -> None:
        """Talk to one site.

        Args:
            key: of an application registered at stackapps.com: 10,000 requests a day instead of 300.
            seconds: after which a request that got no answer is given up and tried again.
        """
        self.site = site
        self._key = key
        self._address = address.rstrip("/")
        self._say, self._sleep, self._seconds = say, sleep, seconds
        self._wait = 0.0

    def items(self, path: str, parameters: Mapping[str, str | int]) -> tuple[list[dict[str, Any]], bool]:
        """Give the items of an answer, and whether there are more pages.

        Raises:
            QuestionsError: the quota is used up, the API refuses, or it can't be reached; says what to do.
        """
        if self.quota_remaining == 0:
            raise QuestionsError(
                f"The quota of the Stack Exchange API is used up until tomorrow. {AGAIN}"
                + ("" if self._key else " With --key there are 10,000 requests a day instead of 300.")
            )
        asked = {"site": self.site, **parameters} | ({"key": self._key} if self._key else {})
        url = f"{self._address}{path}?{urllib.parse.urlencode(asked)}"
        for attempt in range(1, TRIES + 1):
            self._pause(self._wait)
            self._wait = 0.0
            try:
                answer = self._answer(url)
            except (OSError, http.client.HTTPException, EOFError, zlib.error, ValueError) as error:
                wait, reason = 0.0, _reason(error)
            else:
                if "error_id" not in answer:
                    self._wait = float(answer.get("backoff", 0))
                    self.quota_remaining = answer.get("quota_remaining")
                    return answer.get("items", []), bool(answer.get("has_more"))
                wait, reason = self._passing(answer)
            # Jitter: clients that failed together do not come back together.
            self._wait = wait or random.uniform(0.5, 1) * FIRST_WAIT * 2 ** (attempt - 1)  # noqa: S311
            if attempt < TRIES:
                self._say(f"{reason}; trying again in {self._wait:.0f} s ({attempt} of {TRIES})")
        raise QuestionsError(f"{self._address} did not answer {TRIES} times: {reason}. {AGAIN}")

    def _pause(self, seconds: float) -> None:
        if seconds > LONGEST_WAIT:
            raise QuestionsError(
                f"The Stack Exchange API asks to wait {seconds:,.0f} s, and this run does not. {AGAIN}"
            )
        if seconds:
            self._sleep(seconds)

    def _answer(self, url: str) -> dict[str, Any]:
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip", "User-Agent": "tagalong"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as response:  # noqa: S310
                return _decoded(response.read(), response.headers.get("Content-Encoding", ""))
        except urllib.error.HTTPError as error:
            # The API sends its errors with a status of 400 and up; what stands before it sends none of its JSON.
            with error:
                answer = _decoded(error.read(), error.headers.get("Content-Encoding", ""))
            if "error_id" in answer:
                return answer
            raise

    def _passing(self, answer: dict[str, Any]) -> tuple[float, str]:
        """Give how long to wait after an error of the API, 0 if it does not say, and its message."""
        number, message = answer["error_id"], f"{answer.get('error_name')}: {answer.get('error_message')}"
        if number not in _PASSING:
            raise QuestionsError(f"The Stack Exchange API refuses: {message} (error {number}).")
        seconds = _SECONDS.search(message)
        return (float(seconds[1]) if seconds else 0.0), message


class Pages:
    """The questions of a site as a source, oldest first, so that new ones do not move the pages.

    Attributes:
        length: pages, 0 if nobody knows.
    """

    length: int

    def __init__(
        self,
        client: Client,
        *,
        tagged: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        pages: int | None = None,
        fields: str = FILTER,
    ) -> None:
        """Ask for questions with all of the tags, posted since and until a time, at most so many pages.

        Args:
            fields: the API's ``filter``; it must give title, body, tags, question_id and creation_date.
        """
        self._client = client
        self._pages = pages
        self.length = pages or 0
        self._asked: dict[str, str | int] = {"order": "asc", "sort": "creation", "filter": fields, "pagesize": AT_ONCE}
        if tagged:
            self._asked["tagged"] = ";".join(tagged)
        for name, time_ in (("fromdate", since), ("todate", until)):
            if time_ is not None:
                self._asked[name] = int(time_.timestamp())

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a page; None as a page is the end."""
        done, more = (after["page"], after["more"]) if after else (0, True)
        while more and (self._pages is None or done < self._pages):
            items, more = self._client.items("/questions", self._asked | {"page": done + 1})
            done += 1
            posts, refused = _posts(items, self._client.site)
            yield Batch(frame(posts), tuple(refused), {"page": done, "more": more}, done)


class Numbers:
    """Questions of a site by their numbers; those that were deleted are reported.

    Attributes:
        length: how many numbers are asked for.
    """

    length: int

    def __init__(self, client: Client, numbers: Sequence[int], fields: str = FILTER) -> None:
        """Ask for these numbers, each once."""
        self._client = client
        self._numbers = list(dict.fromkeys(numbers))
        self._fields = fields
        self.length = len(self._numbers)

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after so many numbers."""
        for first in range(after or 0, self.length, AT_ONCE):
            asked = self._numbers[first : first + AT_ONCE]
            path = f"/questions/{';'.join(map(str, asked))}"
            items, _ = self._client.items(path, {"filter": self._fields, "pagesize": AT_ONCE})
            posts, refused = _posts(items, self._client.site)
            missing = set(asked) - {item.get("question_id") for item in items}
            refused += [
                Refused(f"{self._client.site}, question {number}", "it was deleted, or never was on this site")
                for number in sorted(missing)
            ]
            done = first + len(asked)
            yield Batch(frame(posts), tuple(refused), done, done)


def _posts(items: Sequence[Mapping[str, Any]], site: str) -> tuple[list[Post], list[Refused]]:
    posts: list[Post] = []
    refused: list[Refused] = []
    for item in items:
        try:
            posts.append(_post(item, site))
        except BadRow as bad:
            refused.append(Refused(f"{site}, question {item.get('question_id')}", str(bad)))
    return posts, refused


def _post(item: Mapping[str, Any], site: str) -> Post:
    """Make a post of the API's item; its title is HTML, its date seconds since 1970."""
    if "body" not in item:
        raise BadRow("it has no body: the filter must give it, as 'withbody' does")
    seconds = item.get("creation_date")
    row = {
        "title": unescape(str(item.get("title", ""))),
        "body": item["body"],
        "tags": item.get("tags"),
        "question_id": item.get("question_id"),
        "year": datetime.fromtimestamp(seconds, UTC).year if isinstance(seconds, int) else None,
    }
    return post_of(row, site, "html")


def _decoded(content: bytes, encoding: str) -> dict[str, Any]:
    if encoding == "gzip":
        content = gzip.decompress(content)
    elif encoding == "deflate":
        content = zlib.decompress(content)
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")
    return answer


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__
