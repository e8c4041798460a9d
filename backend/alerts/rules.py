"""The rules: read from one file, and checked so that a mistyped one stops the start and not the night."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from backend.acceptance.figures import FIGURES, Figure

SHIPPED = Path(__file__).parent / "rules.toml"

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=1, le=366)]
Minutes = Annotated[int, Field(ge=1, le=1440)]
Wait = Annotated[int, Field(ge=0, le=10_080)]


class RulesError(Exception):
    """The file of rules can't be read or makes no sense; the message says what to do."""


def figure_named(name: str) -> Figure:
    """A figure by its name.

    Raises:
        ValueError: there is none of that name.
    """
    for figure in FIGURES:
        if figure.name == name:
            return figure
    raise ValueError(f"there is no figure {name!r}; there are {', '.join(figure.name for figure in FIGURES)}")


FigureName = Annotated[str, AfterValidator(lambda name: figure_named(name).name)]


class RuleBase(BaseModel):
    """What every rule has; the file itself says what the fields mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    advice: str
    least: Annotated[int, Field(ge=1)]
    pending: Wait = 0
    calm: Wait = 0


class Drop(RuleBase):
    """A figure fell against the days before."""

    kind: Literal["drop"]
    figure: FigureName
    days: Days
    reference: Days
    by: Share


class Bound(RuleBase):
    """A figure is below its floor, or above its ceiling."""

    kind: Literal["below", "above"]
    figure: FigureName
    days: Days
    bound: Share


class Burst(RuleBase):
    """A tag was dismissed again and again."""

    kind: Literal["burst"]
    minutes: Minutes


class Signal(RuleBase):
    """Too many requests failed, or too many suggestions were slow."""

    kind: Literal["failing", "slow"]
    minutes: Minutes
    bound: Share


class Lost(RuleBase):
    """Too many events were lost."""

    kind: Literal["lost"]
    days: Days
    bound: Share


class Silent(RuleBase):
    """Nothing comes in any more."""

    kind: Literal["silent"]
    hours: Annotated[int, Field(ge=1, le=24)]


class Drifting(RuleBase):
    """What came in, or what became of it, is no longer as the reference."""

    kind: Literal["drift"]
    days: Days
    bound: Annotated[float, Field(gt=0)]


Rule = Drop | Bound | Burst | Signal | Lost | Silent | Drifting

DAILY = (Drop, Bound, Lost, Drifting)
"""Rules that look at days, which change little within the hour."""

RULES: TypeAdapter[dict[str, Rule]] = TypeAdapter(dict[str, Annotated[Rule, Field(discriminator="kind")]])


def read_rules(path: Path = SHIPPED) -> dict[str, Rule]:
    """The rules of a file, by name.

    Raises:
        RulesError: it can't be read, is no TOML, or a rule makes no sense.
    """
    try:
        return RULES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RulesError(f"the rules of alerts, {path}, can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"the rules of alerts, {path}, are no TOML: {error}") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise RulesError(f"the rules of alerts, {path}, make no sense:\n  " + "\n  ".join(faults)) from error
