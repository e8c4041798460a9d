"""Tables of a draft and of the suggestions given for it. The draft's text is never stored, only lengths."""

from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class Draft(Table):
    """One question being written in one tab of one install.

    ``model_version``, ``deployment_id`` and ``origin`` are those of its first answer. ``deployment_id`` names the
    challenger's deployment that it takes part in, in whichever arm its install is; null once it has an answer of the
    device's.
    ``posted_names`` are what ``posted_tags`` count as: see `POSTED_NAMES`.
    """

    __tablename__ = "draft"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    install_id: Mapped[UUID] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text)
    site: Mapped[str] = mapped_column(Text, index=True)
    page: Mapped[str | None] = mapped_column(Text)
    extension_version: Mapped[str | None] = mapped_column(Text)
    model_version: Mapped[str] = mapped_column(Text)
    started_at: Mapped[Moment] = mapped_column(index=True)
    posted_at: Mapped[Moment | None]
    posted_tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    posted_names: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    question_id: Mapped[int | None] = mapped_column(BigInteger)
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployment.id"))
    origin: Mapped[str] = mapped_column(Text, server_default="service")

    __table_args__ = (
        CheckConstraint("kind IN ('ask', 'edit', 'try', 'demo')", name="kind"),
        CheckConstraint("origin IN ('service', 'device')", name="origin"),
        CheckConstraint("(posted_at IS NULL) = (posted_tags IS NULL)", name="posted"),
        Index("ix_draft_posted_at", "posted_at", postgresql_where=text("posted_at IS NOT NULL")),
        Index("ix_draft_deployment_id", "deployment_id", postgresql_where=text("deployment_id IS NOT NULL")),
        Index("ix_draft_demo", "install_id", postgresql_where=text("kind = 'demo'")),
    )


class AddressSalt(Table):
    """The salt of a day's address hashes in all processes; deleted with the day, which leaves the hashes anonymous."""

    __tablename__ = "address_salt"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes]


class Newcomer(Table):
    """How many installs and drafts an address (a /64 of IPv6) has started on a day (UTC); deleted after the day.

    Attributes:
        address: salted and hashed.
        crowd: a random id that its installs share in experiments.
        installs: new ones, of which no draft was known.
        drafts: new ones.
    """

    __tablename__ = "newcomer"

    day: Mapped[date] = mapped_column(primary_key=True)
    address: Mapped[bytes] = mapped_column(primary_key=True)
    crowd: Mapped[UUID]
    installs: Mapped[int]
    drafts: Mapped[int]


class Suggestion(Table):
    """One answer to one state of a draft: the suggested tags, best first.

    ``origin`` says who gave it: the service, or the model on the device, which reports it by an event.

    The first ``confident`` of ``tags`` were offered, that is, shown as chips; ``names`` are what they count as, see
    `OFFERED_NAMES`. ``deployment_id`` is the draft's, and null once the version of its first answer is gone. ``order``
    says whether the chips were shown in this order (model) or in a random one.
    """

    __tablename__ = "suggestion"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("draft.id"), index=True)
    model_version: Mapped[str] = mapped_column(Text, index=True)
    created_at: Mapped[Moment]
    latency_ms: Mapped[float] = mapped_column(REAL)
    title_chars: Mapped[int]
    body_chars: Mapped[int]
    chosen_tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    names: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    scores: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    confident: Mapped[int] = mapped_column(SmallInteger)
    order: Mapped[str] = mapped_column(Text, server_default="model")
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployment.id"))
    origin: Mapped[str] = mapped_column(Text, server_default="service")

    __table_args__ = (
        CheckConstraint("origin IN ('service', 'device')", name="origin"),
        CheckConstraint("cardinality(tags) = cardinality(scores)", name="one_score_a_tag"),
        CheckConstraint("confident BETWEEN 0 AND cardinality(tags)", name="confident"),
        CheckConstraint("\"order\" IN ('model', 'random')", name="order"),
        Index(
            "ix_suggestion_deployment_id",
            "deployment_id",
            "created_at",
            postgresql_where=text("deployment_id IS NOT NULL"),
        ),
    )


# Names of one tag count as one: offered and posted tags are compared by the names that were known when they came, which
# are stored with them where they differ from the tags. So no figure changes when more names become known.
OFFERED_NAMES = func.coalesce(Suggestion.names, Suggestion.tags, type_=ARRAY(Text))
"""What the tags of a suggestion count as, in their order."""
POSTED_NAMES = func.coalesce(Draft.posted_names, Draft.posted_tags, type_=ARRAY(Text))
"""What the posted tags of a draft count as: the name under which each was offered, else its name in use."""
