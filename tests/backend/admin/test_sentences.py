"""The two answers in words, which say no more than the interval of the change does."""

import pytest

from backend.acceptance.figures import Counts, Rate
from backend.admin.sentences import answer_in_words, out_of
from tests.backend.acceptance.made_writers import counts_of

SPAN, EARLIER = "in the last 28 days", "in the 28 days before"


def counts(accepted: int, viewed: int, helped: int = 0, drafts: int = 0) -> Counts:
    return Counts(accepted=accepted, viewed=viewed, helped_drafts=helped, viewed_drafts=drafts)


def written(accepted: int, viewed: int, writers: int = 50) -> Counts:
    """Return the chips seen by so many writers, each of whom accepts about as large a share of them."""
    rows = [
        (accepted * (i + 1) // writers - accepted * i // writers, viewed * (i + 1) // writers - viewed * i // writers)
        for i in range(writers)
    ]
    return counts_of(rows, first_install=accepted * 100)


@pytest.mark.parametrize(
    ("numerator", "denominator", "words"),
    [
        (562, 1446, "39 of 100"),
        (12, 31, "12 of 31"),
        (0, 1446, "none of 1,446"),
        (1446, 1446, "all 1,446"),
        (1, 1, "the one"),
        (1442, 1446, "997 of 1,000"),
        (7, 1446, "5 of 1,000"),
        (1, 9000, "1 of 9,000"),
        (8999, 9000, "8,999 of 9,000"),
    ],
)
def test_a_share_is_said_in_whole_numbers(numerator: int, denominator: int, words: str) -> None:
    assert out_of(Rate(numerator, denominator)) == words


@pytest.mark.parametrize(
    ("now", "before", "trend", "comparison"),
    [
        (written(380, 1000), written(390, 1000), "steady", f"about as many as {EARLIER} (39 of 100)"),
        (written(450, 1000), written(330, 1000), "better", f"more than {EARLIER} (33 of 100)"),
        (written(330, 1000), written(450, 1000), "worse", f"fewer than {EARLIER} (45 of 100)"),
        # Eight points fewer, and chance alone may bring that.
        (
            written(38, 100),
            written(46, 100),
            "unknown",
            f"too few to tell whether that is more or fewer than {EARLIER}",
        ),
        (
            written(45, 1000, 4),
            written(330, 1000, 4),
            "unknown",
            f"by too few writers to compare them with those {EARLIER} (33 of 100)",
        ),
        (counts(380, 1000), counts(0, 0), "unknown", f"with nothing to compare: none was seen {EARLIER}"),
    ],
)
def test_better_or_worse_is_said_only_where_the_interval_says_so(
    now: Counts, before: Counts, trend: str, comparison: str
) -> None:
    answer = answer_in_words(now, before, SPAN, EARLIER)
    assert answer.trend == trend
    assert answer.comparison.startswith(comparison)
    assert answer.level.endswith("chips seen were accepted")


def test_a_period_without_chips_says_so_and_what_was_before() -> None:
    answer = answer_in_words(counts(0, 0), counts(390, 1000), SPAN, EARLIER)
    assert answer.level == "No chip was seen in the last 28 days"
    assert answer.comparison == "in the 28 days before, 39 of 100 chips seen were accepted"
    assert answer_in_words(counts(0, 0), counts(0, 0), SPAN, EARLIER).comparison == ""


def test_drafts_are_counted_to_the_last_one() -> None:
    assert (
        answer_in_words(counts(4, 9, 695, 1070), counts(0, 0), SPAN, EARLIER).helped
        == "695 of 1,070 drafts were helped"
    )
    assert answer_in_words(counts(1, 1, 1, 1), counts(0, 0), SPAN, EARLIER).helped == "1 of 1 draft was helped"


def test_chips_of_one_tag_are_named() -> None:
    answer = answer_in_words(counts(37, 80), counts(0, 0), SPAN, EARLIER, "python")
    assert answer.level == "37 of 80 python chips seen were accepted"
    assert answer_in_words(counts(0, 0), counts(0, 0), SPAN, EARLIER, "python").level.startswith("No python chip was")


def test_without_knowing_the_writers_it_tells_no_more_than_both_shares() -> None:
    answer = answer_in_words(counts(380, 1000), counts(330, 1000), SPAN, EARLIER)
    assert (answer.trend, answer.comparison) == ("unknown", f"against 33 of 100 {EARLIER}")
