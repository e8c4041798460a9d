"""When an event came and when it happened, and why one is refused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

UNKNOWN_DRAFT = "unknown_draft"
UNKNOWN_SUGGESTION = "unknown_suggestion"
UNKNOWN_TAG = "unknown_tag"
NOT_OFFERED = "not_offered"
WRONG_SITE = "wrong_site"
WRONG_KIND = "wrong_kind"
ABSURD_SEQUENCE = "absurd_sequence"
DRAFT_FULL = "draft_full"
OVER_BOUNDS = "over_bounds"
UNKNOWN_VERSION = "unknown_version"
UNKNOWN_SITE = "unknown_site"
UNEQUAL_LISTS = "unequal_lists"
REPEATED_TAG = "repeated_tag"
SUGGESTION_TAKEN = "suggestion_taken"
FORGOTTEN_DAY = "forgotten_day"


@dataclass(frozen=True, slots=True)
class Arrival:
    """From which install an event came, and by which clocks it was sent and received."""

    install_id: UUID
    sent_at: datetime
    received_at: datetime

    def correct(self, occurred_at: datetime, earliest: datetime) -> datetime:
        """Return when something happened by the server's clock, not before ``earliest``."""
        return correct_clock(occurred_at, self.sent_at, self.received_at, earliest)


def correct_clock(occurred_at: datetime, sent_at: datetime, received_at: datetime, earliest: datetime) -> datetime:
    """Return when an event happened by the server's clock.

    The client's clock may be wrong, but it was as wrong when it sent: the event is as old as the client says. It is
    neither older than what it is about (``earliest``) nor younger than its receipt.
    """
    age = max(sent_at - occurred_at, timedelta(0))
    # Compared before the subtraction: a clock that jumped by centuries would leave the range of datetime.
    return earliest if age >= received_at - earliest else received_at - age
