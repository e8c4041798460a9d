"""Messages of suggestions: a draft's state in, tags with scores out."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from backend.web.schemas import Id, Message, Name, Site, Tag, Version, Whole

Title = Annotated[str, Field(max_length=300)]
Body = Annotated[str, Field(max_length=50_000)]
BodyFormat = Literal["markdown", "html", "text"]
Limit = Annotated[int, Field(ge=1, le=20), Whole]

MAX_BATCH = 100


class DraftState(Message):
    """One state of a draft, as its writer sees it now. Its text is answered and forgotten, never stored."""

    draft_id: Id
    install_id: Id
    extension_version: Version | None = None
    kind: Literal["ask", "edit", "try", "demo"] = "ask"
    page: Name | None = Field(default=None, description="Which generation of the page it is written on")
    site: Site
    title: Title
    body: Body
    body_format: BodyFormat
    chosen_tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list)
    limit: Limit = 5
    record: bool = Field(default=True, description="false: the writer did not agree to counts; nothing is stored")


class BatchDraft(Message):
    """One draft of a batch."""

    title: Title
    body: Body
    body_format: BodyFormat
    site: Site
    limit: Limit = 5


class Batch(Message):
    """Many drafts at once, for evaluation by others; nothing is recorded."""

    drafts: Annotated[list[BatchDraft], Field(max_length=MAX_BATCH)]


class SuggestedTag(BaseModel):
    """One tag for the draft."""

    tag: str
    score: float = Field(description="Calibrated: of the tags with .7, about seven in ten are right")
    confident: bool = Field(description="Worth showing as a chip")
    uses: int = Field(description="How often the tag is used in the data the model was trained on")
    because: list[str] = Field(description="Words of the draft that weigh most, most first")


class Answer(BaseModel):
    """The tags for one draft, best first."""

    items: list[SuggestedTag]
    notice: str | None = Field(default=None, description="Why there are no tags, if the site is unknown to the model")


class RecordedAnswer(Answer):
    """The tags for one state of a draft. ``suggestion_id`` is null if the answer was not recorded."""

    suggestion_id: UUID | None
    model_version: str


class BatchAnswer(BaseModel):
    """The tags for each draft of a batch, in its order."""

    model_version: str
    answers: list[Answer]
