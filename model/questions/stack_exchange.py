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
from contextlib import suppress
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from typing import Any, Final

from model.questions import QuestionsError
from model.questions.posts import Batch, BatchReader

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
ACCESS_DENIED: Final = 403
_PASSING_ERRORS: Final = (500, 502, 503)
"""The API's error numbers that pass: internal_error, throttle_violation, temporarily_unavailable."""
_PASSING_STATUSES: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_WAIT_IN_WORDS: Final = re.compile(r"in (\d+) second")


class _TemporaryError(Exception):
    """The API did not answer, and may do so after ``wait`` seconds, 0 if it does not say how many."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _AccessDenied(Exception):
    """The API denies access to what was asked for; the message says so."""


class ApiClient:
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

        Raises:
            QuestionsError: the address is none.
        """
        if not re.match(r"https?://[^/?#\s]", address):
            raise QuestionsError(f"{address} is no address. One looks like {ADDRESS}.")
        self.site = site
        self._key = key
        self._address = address.rstrip("/")
        self._say, self._sleep, self._seconds = say, sleep, seconds
        self._wait = 0.0

    def items(self, path: str, parameters: Mapping[str, str | int]) -> tuple[list[Any], bool]:
        """Return the items of an answer, and whether there are more pages.

        Raises:
            QuestionsError: the quota is used up, the API refuses, or it can't be reached; says what to do.
        """
        if self.quota_remaining == 0:
            raise QuestionsError(
                f"The quota of the Stack Exchange API is used up until tomorrow. {AGAIN}"
                + ("" if self._key else " With --key there are 10,000 requests a day instead of 300.")
            )
        query = {"site": self.site, **parameters} | ({"key": self._key} if self._key else {})
        request = urllib.request.Request(  # noqa: S310
            f"{self._address}{path}?{urllib.parse.urlencode(query)}",
            headers={"Accept-Encoding": "gzip", "User-Agent": "tagalong"},
        )
        reason = ""
        for attempt in range(1, TRIES + 1):
            self._pause()
            try:
                answer = self._answer(request)
            except _TemporaryError as passing:
                reason = str(passing)
                # Jitter: clients that failed together do not come back together.
                self._wait = passing.wait or random.uniform(0.5, 1) * FIRST_WAIT * 2 ** (attempt - 1)  # noqa: S311
                if attempt < TRIES and self._wait <= LONGEST_WAIT:
                    self._say(f"{reason}; trying again in {self._wait:.0f} s ({attempt} of {TRIES})")
            except _AccessDenied as denied:
                raise QuestionsError(f"{denied}{self._way_out(parameters)}") from None
            else:
                self._wait = _wait_seconds(answer.get("backoff"))
                quota = answer.get("quota_remaining")
                self.quota_remaining = quota if isinstance(quota, int) else None
                return answer["items"], answer.get("has_more") is True
        raise QuestionsError(f"{self._address} did not answer {TRIES} times: {reason}. {AGAIN}")

    def _pause(self) -> None:
        seconds, self._wait = self._wait, 0.0
        if seconds > LONGEST_WAIT:
            raise QuestionsError(
                f"The Stack Exchange API asks to wait {seconds:,.0f} s, and this run does not. {AGAIN}"
            )
        if seconds:
            self._sleep(seconds)

    def _way_out(self, parameters: Mapping[str, str | int]) -> str:
        """Return what to do about a request that was denied, which it is without a key after page 25."""
        if self._key:
            return ""
        page = int(parameters.get("page", 0))
        return " Give --key." if page < 2 else f" Give --key, or ask for no more than --pages {page - 1}."

    def _answer(self, request: urllib.request.Request) -> dict[str, Any]:
        """Return the API's answer, which has items.

        Raises:
            _Passing: it may answer another time.
            _Denied: it denies the request.
            QuestionsError: it refuses for another reason.
        """
        try:
            status, headers, content = self._exchange(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _TemporaryError(_describe_error(error)) from error
        answer = _decode_answer(content, headers.get("Content-Encoding", ""))
        wait = max(_retry_after(headers.get("Retry-After", "")), _wait_seconds(answer.get("backoff")))
        if "error_id" in answer:
            raise _api_error(answer, wait)
        if status < HTTPStatus.BAD_REQUEST and isinstance(answer.get("items"), list):
            return answer
        reason = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip() + ", without the API's JSON"
        if wait or status < HTTPStatus.BAD_REQUEST or status >= 500 or status in _PASSING_STATUSES:
            raise _TemporaryError(reason, wait)
        refusal = f"{self._address} answers {reason}: a proxy or a firewall answers instead, or the address is wrong."
        raise _AccessDenied(refusal) if status == HTTPStatus.FORBIDDEN else QuestionsError(refusal)

    def _exchange(self, request: urllib.request.Request) -> tuple[int, Message, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as response:  # noqa: S310
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:  # the API sends its errors with a status of 400 and up
            with error:
                return error.code, error.headers, error.read()


class QuestionPages:
    """The questions of a site as a source, oldest first, so that new ones do not move the pages.

    Attributes:
        length: pages, 0 if nobody knows.
    """

    length: int

    def __init__(
        self,
        client: ApiClient,
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
        reader = BatchReader(self._client.site)
        before: list[int] = []
        while more and (self._pages is None or done < self._pages):
            items, more = self._client.items("/questions", self._asked | {"page": done + 1})
            numbers = list(map(_question_number, items))
            if more and numbers == before:  # none, or those of the page before: this would never end
                raise QuestionsError(f"The Stack Exchange API gives nothing new on page {done + 1}, and says there is.")
            done, before = done + 1, numbers
            _read_items(items, reader, self._client.site)
            yield reader.batch({"page": done, "more": more}, done)


class QuestionsByNumber:
    """Questions of a site by their numbers; those that were deleted are reported.

    Attributes:
        length: how many numbers are asked for.
    """

    length: int

    def __init__(self, client: ApiClient, numbers: Sequence[int], fields: str = FILTER) -> None:
        """Ask for these numbers, each once."""
        self._client = client
        self._numbers = list(dict.fromkeys(numbers))
        self._fields = fields
        self.length = len(self._numbers)

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after so many numbers."""
        reader = BatchReader(self._client.site)
        for first in range(after or 0, self.length, AT_ONCE):
            numbers = self._numbers[first : first + AT_ONCE]
            path = f"/questions/{';'.join(map(str, numbers))}"
            items, _ = self._client.items(path, {"filter": self._fields, "pagesize": AT_ONCE})
            _read_items(items, reader, self._client.site)
            for number in sorted(set(numbers) - set(map(_question_number, items))):
                reader.refuse(f"{self._client.site}, question {number}", "it was deleted, or never was on this site")
            done = first + len(numbers)
            yield reader.batch(done, done)


def _read_items(items: Sequence[Any], reader: BatchReader, site: str) -> None:
    """Read the API's items; their titles are HTML, their dates seconds since 1970."""
    for item in items:
        number = _question_number(item)
        place = f"{site}, question {number}" if number else f"{site}, a question without a number"
        if not isinstance(item, dict):
            reader.refuse(place, "it is no JSON object")
        elif "body" not in item:
            reader.refuse(place, "it has no body: the filter must give it, as 'withbody' does")
        else:
            row = {name: item.get(name) for name in ("body", "tags", "question_id", "creation_date")}
            title = item.get("title")
            reader.read(row | {"title": unescape(title) if isinstance(title, str) else title}, place, number)


def _question_number(item: object) -> int:
    """Return the number of an item's question, or 0 if it has none."""
    number = item.get("question_id") if isinstance(item, dict) else None
    return number if isinstance(number, int) else 0


def _decode_answer(content: bytes, encoding: str) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one if it is something else, like a proxy's page."""
    with suppress(OSError, EOFError, zlib.error, ValueError, RecursionError):
        if encoding == "gzip":
            content = gzip.decompress(content)
        elif encoding == "deflate":
            content = zlib.decompress(content)
        answer = json.loads(content)
        if isinstance(answer, dict):
            return answer
    return {}


def _api_error(answer: Mapping[str, Any], wait: float) -> Exception:
    """Return the exception for an error that the API reports."""
    number = answer["error_id"]
    message = " ".join(f"{answer.get('error_name')}: {answer.get('error_message')}".split())[:300]
    if number in _PASSING_ERRORS:
        seconds = _WAIT_IN_WORDS.search(message)
        return _TemporaryError(message, max(wait, _wait_seconds(seconds[1]) if seconds else 0.0))
    refusal = f"The Stack Exchange API refuses: {message} (error {number})."
    return _AccessDenied(refusal) if number == ACCESS_DENIED else QuestionsError(refusal)


def _wait_seconds(value: object) -> float:
    """Return seconds to wait, 0 if there are none: the API has answered null and text."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
    return seconds if seconds > 0 else 0.0


def _retry_after(header: str) -> float:
    """Return the seconds that a Retry-After header asks for, in seconds or as a date (RFC 9110, 10.2.3)."""
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return _wait_seconds(header)
    return max(0.0, date.timestamp() - time.time())


def _describe_error(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__
