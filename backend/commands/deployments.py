"""`deploy`, `promote`, `rollback` and `deployments`: which model version answers whom."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import OPERATOR, record_act
from backend.commands.terminal import read_settings, with_session
from backend.deployments import registry, service
from backend.deployments.registry import RegisteredVersion
from backend.deployments.replicas import list_replicas
from backend.deployments.service import DeploymentRefused
from backend.deployments.tables import Deployment
from backend.experiments.service import MIN_WEEKS, PLANNING_PERIOD, Plan, plan_experiment
from backend.experiments.shadow_scores import Scores, score_shadow
from backend.experiments.status import measure_status, read_verdicts
from backend.experiments.verdict import MIN_INSTALLS_TO_PLAN
from model.serving import RegistryError, ReleaseError, read_manifest

T = TypeVar("T")

# How many ended deployments are listed.
MAX_LISTED = 10


class Fraction(click.ParamType[float]):
    """A fraction above 0 and up to 1, written as ``10%`` or ``0.1``; with the sign ``pp``, as ``2pp`` or ``0.02``."""

    def __init__(self, name: str, sign: str) -> None:
        self.name, self._sign = name, sign

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the fraction as a number."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(rf"\s*(\d*\.?\d+)\s*({self._sign})?\s*", str(value))
        fraction = float(match[1]) / (100 if match[2] else 1) if match else -1.0
        if not 0 < fraction <= 1:
            self.fail(f"{value!r} is not like 10{self._sign} or 0.1", param, ctx)
        return fraction


@click.command()
@click.argument("version")
@click.option(
    "--share",
    type=Fraction("share", "%"),
    help="Of the installs, as 10% or 0.1. To raise it, deploy again.",
)
@click.option("--shadow", is_flag=True, help="Never show its answers; score them against what is posted.")
@click.option("--horizon", type=click.IntRange(1), help="Installs until the verdict; computed if not given.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Day of the verdict at the latest (UTC).")
@click.option(
    "--min-weeks",
    type=click.IntRange(0),
    help="Whole weeks that it lasts at least, so that what is clicked for being new fades; half of them, from each "
    "install's first draft on, are left out of the verdict.  [default: 4, or as many as there are --until]",
)
@click.option(
    "--smallest-difference",
    type=Fraction("points", "pp"),
    default=0.02,
    show_default="2pp",
    help="Smallest difference of the acceptance rate that matters.",
)
@click.option("--promote-if-better", is_flag=True, help="Promote it if the verdict is better.")
def deploy(
    version: str,
    share: float | None,
    shadow: bool,
    horizon: int | None,
    until: datetime | None,
    min_weeks: int | None,
    smallest_difference: float,
    promote_if_better: bool,
) -> None:
    """Serve VERSION (its number or its full name) to a share of the installs, without a restart."""
    if (share is None) != shadow:
        raise click.UsageError("give either --share 10% or --shadow.")
    last_day = until and until.replace(tzinfo=UTC)
    weeks = choose_min_weeks(min_weeks, last_day, datetime.now(UTC))
    registered = find_deployable(version)

    async def step(session: AsyncSession) -> tuple[Deployment, Plan | None]:
        now, planned = datetime.now(UTC), None
        if horizon is None and share is not None and share < 1:
            planned = await plan_experiment(session, share, smallest_difference, now)
        deployment = await service.deploy(
            session,
            registered,
            share=share or 0.0,
            shadow=shadow,
            horizon=horizon if planned is None else planned.horizon,
            until=last_day,
            min_weeks=None if shadow else weeks,
            smallest_difference=smallest_difference,
            promote_if_better=promote_if_better,
            actor=OPERATOR,
            now=now,
        )
        return deployment, planned

    deployment, planned = run_step(step)
    what = "runs in the shadow" if shadow else f"gets {deployment.share:.1%} of the installs"
    click.echo(f"Version {registered.number} ({registered.version}) {what}, within seconds.")
    if deployment.horizon is not None:
        click.echo(
            f"Its verdict comes after {deployment.horizon:,} installs that have seen a suggestion; "
            f"{deployment.smallest_difference or 0:.1%} of acceptance is the smallest difference of interest."
        )
    if deployment.horizon is not None and deployment.min_weeks:
        settling_weeks = deployment.settling_time.days // 7
        click.echo(
            f"It comes on {deployment.earliest_verdict_at:%Y-%m-%d} at the earliest"
            + (
                f", and leaves out each install's first {settling_weeks} of {deployment.min_weeks} weeks, while the"
                " version is new to it."
                if settling_weeks
                else "."
            )
        )
    # A share that grows keeps the horizon of its start.
    if planned is not None and planned.horizon == deployment.horizon:
        click.echo(
            f"Planned on what {planned.measured_on:,} installs did in the last {PLANNING_PERIOD.days} days"
            + (", too few to know how much they differ." if planned.measured_on < MIN_INSTALLS_TO_PLAN else ".")
        )


def choose_min_weeks(min_weeks: int | None, until: datetime | None, now: datetime) -> int:
    """Return how many weeks an experiment lasts at least: as wished, else as usual, but not beyond its last day.

    Raises:
        click.UsageError: what is wished ends after the last day.
    """
    available = None if until is None else max(0, (until - now).days // 7)
    if min_weeks is None:
        return MIN_WEEKS if available is None else min(MIN_WEEKS, available)
    if available is not None and min_weeks > available:
        raise click.UsageError(f"{min_weeks} weeks are over only after --until {until:%Y-%m-%d}.")
    return min_weeks


def find_deployable(name: str) -> RegisteredVersion:
    """Return a version that has passed its checks, is whole and can be loaded here; refuse and log any other."""
    folder = read_settings().registry
    try:
        registered = registry.find_version(folder, name)
        reasons = registry.list_refusals(registered)
        if not reasons:
            registry.load(registered)
            return registered
    except RegistryError as error:
        raise click.ClickException(str(error)) from None
    listed = "\n".join(f"  {reason}" for reason in reasons)
    click.echo(f"Error: version {registered.number} ({registered.version}) must not be deployed:\n{listed}", err=True)
    details = {"number": registered.number, "why": reasons}
    with_session(lambda session: record_act(session, "refuse to deploy", registered.version, details))
    raise SystemExit(1)


@click.command()
@click.option("--why", default="by hand", show_default=True, help="For the audit log.")
def promote(why: str) -> None:
    """Make the challenger the champion: all installs get it."""

    async def step(session: AsyncSession) -> Deployment:
        challenger = (await service.read_running(session)).challenger
        if challenger is None:
            raise DeploymentRefused("there is no challenger to promote. `deploy VERSION --share 10%` makes one.")
        return await service.promote(session, challenger.id, actor=OPERATOR, reason=why, now=datetime.now(UTC))

    champion = run_step(step)
    click.echo(f"Version {champion.number} ({champion.model_version}) is the champion.")


@click.command()
@click.option("--shadow", is_flag=True, help="End the shadow, and nothing else.")
@click.option("--why", default="", help="For the audit log.")
def rollback(shadow: bool, why: str) -> None:
    """End the challenger or, without one, go back to the champion before the present one."""

    async def step(session: AsyncSession) -> tuple[Deployment, str]:
        running = await service.read_running(session)
        ending = running.shadow if shadow else running.challenger or running.champion
        if ending is None:
            what = "in the shadow" if shadow else f"deployed: {service.SHIPPED} serves"
            raise DeploymentRefused(f"nothing is {what}.")
        return ending, await service.roll_back(session, ending.id, actor=OPERATOR, reason=why, now=datetime.now(UTC))

    ended, champion = run_step(step)
    click.echo(f"Version {ended.number} ({ended.model_version}) was rolled back. Champion: {champion}.")


@click.command()
@click.option("--champion", is_flag=True, help="Print only the champion's number, or the shipped model's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print only what serves, as JSON.")
def deployments(champion: bool, as_json: bool) -> None:
    """List what is deployed, which replicas serve it, and what was deployed before."""
    if champion and as_json:
        raise click.UsageError("give either --champion or --json, which names the champion too.")
    if champion:
        row = with_session(service.read_running).champion
        click.echo(read_settings().model_folder if row is None else row.number)
    elif as_json:
        click.echo(json.dumps(with_session(read_serving), indent=2))
    else:
        for role, description in with_session(describe_deployments):
            click.echo(f"{role:<11} {description}".rstrip())


async def read_serving(session: AsyncSession) -> dict[str, Any]:
    """Return what serves, for programs: version, number, share of the installs and start of each role.

    The champion's number and start are null while the shipped model serves; a role that nothing has is null.

    Raises:
        click.ClickException: the shipped model serves and cannot be read.
    """
    running = await service.read_running(session)
    challenger_share = running.challenger.share if running.challenger else 0.0
    replicas = await list_replicas(session, datetime.now(UTC))
    if running.champion:
        champion = serving_entry(running.champion)
    else:
        champion = {"version": read_shipped_version(), "number": None, "since": None}
    return {
        "champion": champion | {"share": round(1 - challenger_share, 6)},
        "challenger": running.challenger and serving_entry(running.challenger) | {"share": challenger_share},
        "shadow": running.shadow and serving_entry(running.shadow) | {"share": 0.0},
        "replicas": [
            {"name": row.name, "champion": row.champion, "loaded": row.loaded, "problems": row.problems}
            for row in replicas
        ],
    }


def serving_entry(deployment: Deployment) -> dict[str, Any]:
    """Return version, number and start of a deployment, for programs."""
    return {
        "version": deployment.model_version,
        "number": deployment.number,
        "since": deployment.started_at.astimezone(UTC).isoformat(),
    }


def read_shipped_version() -> str:
    """Return the version of the model that serves while none is deployed."""
    try:
        version: str = read_manifest(read_settings().model_folder)["version"]
    except ReleaseError as error:
        raise click.ClickException(str(error)) from None
    return version


async def describe_deployments(session: AsyncSession) -> list[tuple[str, str]]:
    """Return lines about what is deployed, row a role and a description."""
    running = await service.read_running(session)
    lines = [] if running.champion else [("champion", service.SHIPPED)]
    for row in (running.champion, running.challenger, running.shadow):
        if row is not None:
            share = f", {row.share:.1%} of the installs" if row.role == "challenger" else ""
            lines.append((row.role, f"{format_version(row)}{share}, since {row.started_at:%Y-%m-%d %H:%M} UTC"))
        if row is not None and row is running.challenger:
            lines.append(("", (await measure_status(session, row)).summary))
    if running.shadow is not None:
        scored = await score_shadow(session, running.shadow.id)
        lines.append(
            ("", f"against what was posted: {format_scores(scored.shadow)}; shown: {format_scores(scored.shown)}")
        )
    replicas = await list_replicas(session, datetime.now(UTC))
    for replica in replicas:
        lines.append(("replica", f"{replica.name}: champion {replica.champion}, loaded {', '.join(replica.loaded)}"))
        lines += [("", f"lacks {version}: {why}") for version, why in sorted(replica.problems.items())]
    if not replicas:
        lines.append(("replica", "none has reported lately"))
    past = [row for row in await service.list_deployments(session) if row.ended_at is not None]
    verdicts = await read_verdicts(session)
    for row in past[:MAX_LISTED]:
        verdict = f", verdict: {verdicts[row.id].word}" if row.id in verdicts else ""
        ended = f"{row.ended_at:%Y-%m-%d %H:%M} UTC: {row.ended_because}{verdict}"
        lines.append(("ended", f"{format_version(row)}, {row.role}, {ended}"))
    return lines


def format_version(deployment: Deployment) -> str:
    """Return a deployment's version as people name it."""
    return f"version {deployment.number} ({deployment.model_version})"


def format_scores(scores: Scores) -> str:
    """Return scores in one line."""
    if scores.jaccard is None:
        return "no posted draft yet"
    precision = "n/a" if scores.precision is None else f"{scores.precision:.3f}"
    return f"Jaccard {scores.jaccard:.3f}, precision {precision}, recall {scores.recall:.3f} (n = {scores.drafts:,})"


def run_step(step: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run a step in one transaction; if it is refused, print why, without a traceback."""
    try:
        return with_session(step)
    except DeploymentRefused as error:
        raise click.ClickException(str(error)) from None
