"""The rules: read from one file and validated, so that a mistyped one fails at start and not at night."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from backend.acceptance.figures import FIGURES, Figure
from backend.acceptance.queries.runs import Outcome
from backend.acceptance.queries.writers import VALUES

SHIPPED = Path(__file__).parent / "rules.toml"

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=1, le=366)]
Minutes = Annotated[int, Field(ge=1, le=1440)]
Wait = Annotated[int, Field(ge=0, le=10_080)]


class RulesError(Exception):
    """The file of rules can't be read or is invalid; the message says where."""


def find_figure(name: str) -> Figure:
    """Return a figure by its name.

    Raises:
        ValueError: there is none of that name.
    """
    for figure in FIGURES:
        if figure.name == name:
            return figure
    raise ValueError(f"there is no figure {name!r}; there are {', '.join(figure.name for figure in FIGURES)}")


def check_figure(name: str) -> str:
    """Return the name of a figure that a rule can judge.

    Raises:
        ValueError: there is none, or it is not counted by writer.
    """
    if find_figure(name).name not in VALUES:
        raise ValueError(f"{name!r} can't be judged by a rule; there are {', '.join(VALUES)}")
    return name


FigureName = Annotated[str, AfterValidator(check_figure)]


class RuleBase(BaseModel):
    """The fields of every rule; the file itself says what they mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    advice: str
    least: Annotated[int, Field(ge=1)]
    pending: Wait = 0
    calm: Wait = 0


class DropRule(RuleBase):
    """A figure fell against the days before."""

    kind: Literal["drop"]
    figure: FigureName
    days: Days
    reference: Days
    by: Share


class BoundRule(RuleBase):
    """A figure is below its floor, or above its ceiling."""

    kind: Literal["below", "above"]
    figure: FigureName
    days: Days
    bound: Share


class TargetRule(RuleBase):
    """A figure misses its target for a week."""

    kind: Literal["target"]
    figure: FigureName
    goal: Literal["at_least", "at_most"]
    target: Share


class ResourceRule(RuleBase):
    """More than ``bound`` of a resource is used, on the machine of the replica that judges."""

    kind: Literal["disk", "memory"]
    bound: Share
    least: Annotated[int, Field(ge=1)] = 1


class BurstRule(RuleBase):
    """A tag was dismissed again and again; ``together``: or all tags taken together."""

    kind: Literal["burst"]
    minutes: Minutes
    together: bool = False


class ZeroRule(RuleBase):
    """What used to happen in drafts happens no more, in all of them or on one generation of the page."""

    kind: Literal["zero"]
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    by_page: bool = False


class RequestRule(RuleBase):
    """Too many requests failed, or too many suggestions were slow."""

    kind: Literal["failing", "slow"]
    minutes: Minutes
    bound: Share


class LostEventsRule(RuleBase):
    """Too many events were lost."""

    kind: Literal["lost"]
    days: Days
    bound: Share


class SilenceRule(RuleBase):
    """No drafts are begun any more, anywhere or on one generation of the page."""

    kind: Literal["silent"]
    hours: Annotated[int, Field(ge=1, le=24)]
    by_page: bool = False

    @property
    def spans(self) -> tuple[int, ...]:
        """The hours that are looked at: where writers are few, only a longer silence says something."""
        return tuple(self.hours * times for times in (1, 2, 4, 8, 16))


class DriftRule(RuleBase):
    """The drafts, or what became of them, differ from the reference."""

    kind: Literal["drift"]
    days: Days
    bound: Annotated[float, Field(gt=0)]


Rule = (
    DropRule
    | BoundRule
    | TargetRule
    | ResourceRule
    | BurstRule
    | ZeroRule
    | RequestRule
    | LostEventsRule
    | SilenceRule
    | DriftRule
)

DAILY_RULES = (DropRule, BoundRule, TargetRule, LostEventsRule, DriftRule)
"""Rules about days, which change little within the hour."""

RULES: TypeAdapter[dict[str, Rule]] = TypeAdapter(dict[str, Annotated[Rule, Field(discriminator="kind")]])


def read_rules(path: Path = SHIPPED) -> dict[str, Rule]:
    """Read the rules of a file, by name.

    Raises:
        RulesError: the file can't be read, is not TOML, or has an invalid rule.
    """
    try:
        return RULES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RulesError(f"the alert rules in {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"the alert rules in {path} are not valid TOML: {error}") from error
    except ValidationError as error:
        errors = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise RulesError(f"the alert rules in {path} are invalid:\n  " + "\n  ".join(errors)) from error
