"""`deploy`, `promote`, `rollback` and `deployments`: which model version answers whom."""

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
from backend.experiments.service import PLANNING_PERIOD, Plan, plan_experiment
from backend.experiments.shadow_scores import Scores, score_shadow
from backend.experiments.status import measure_status, read_verdicts
from backend.experiments.verdict import MIN_INSTALLS_TO_PLAN
from model.serving import RegistryError

T = TypeVar("T")

# How many of those that ended are listed.
MOST_LISTED = 10


class Part(click.ParamType[float]):
    """A part of a whole: ``10%`` or ``0.1``; with ``points``, of a rate: ``2pp`` or ``0.02``."""

    def __init__(self, name: str, sign: str) -> None:
        self.name, self._sign = name, sign

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it as a number from 0 to 1."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(rf"\s*(\d*\.?\d+)\s*({self._sign})?\s*", str(value))
        part = float(match[1]) / (100 if match[2] else 1) if match else -1.0
        if not 0 < part <= 1:
            self.fail(f"{value!r} is not like 10{self._sign} or 0.1", param, ctx)
        return part


@click.command()
@click.argument("version")
@click.option("--share", type=Part("share", "%"), help="Of the installs, as 10% or 0.1. Given again, larger, it grows.")
@click.option("--shadow", is_flag=True, help="Let it run beside, never shown, scored against what is posted.")
@click.option("--horizon", type=click.IntRange(1), help="Installs up to the verdict; else worked out.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="When it gets its verdict at the latest (UTC).")
@click.option(
    "--smallest-difference",
    type=Part("points", "pp"),
    default=0.02,
    show_default="2pp",
    help="Of the acceptance rate, that would matter.",
)
@click.option("--promote-if-better", is_flag=True, help="Let the verdict promote it.")
def deploy(
    version: str,
    share: float | None,
    shadow: bool,
    horizon: int | None,
    until: datetime | None,
    smallest_difference: float,
    promote_if_better: bool,
) -> None:
    """Serve VERSION (its number, or its full name) to a share of the installs, without a restart."""
    if (share is None) != shadow:
        raise click.UsageError("give either --share 10% or --shadow.")
    registered = checked(version)

    async def work(session: AsyncSession) -> tuple[Deployment, Plan | None]:
        now, planned = datetime.now(UTC), None
        if horizon is None and share is not None and share < 1:
            planned = await plan_experiment(session, share, smallest_difference, now)
        deployment = await service.deploy(
            session,
            registered,
            share=share or 0.0,
            shadow=shadow,
            horizon=horizon if planned is None else planned.horizon,
            until=until and until.replace(tzinfo=UTC),
            smallest_difference=smallest_difference,
            promote_if_better=promote_if_better,
            actor=OPERATOR,
            now=now,
        )
        return deployment, planned

    deployment, planned = in_one_step(work)
    what = "runs in the shadow" if shadow else f"gets {deployment.share:.1%} of the installs"
    click.echo(f"Version {registered.number} ({registered.version}) {what}, within seconds.")
    if deployment.horizon is not None:
        click.echo(
            f"Its verdict comes after {deployment.horizon:,} installs that have seen a suggestion; "
            f"{deployment.smallest_difference or 0:.1%} of acceptance is the smallest difference of interest."
        )
    # A share that grows keeps the horizon of its start.
    if planned is not None and planned.horizon == deployment.horizon:
        click.echo(
            f"Planned on what {planned.measured_on:,} installs did in the last {PLANNING_PERIOD.days} days"
            + (", too few to know how much they differ." if planned.measured_on < MIN_INSTALLS_TO_PLAN else ".")
        )


def checked(name: str) -> RegisteredVersion:
    """A version that has passed its checks, is whole, and can be loaded here; else it is refused, and that is noted."""
    folder = read_settings().registry
    try:
        registered = registry.find_version(folder, name)
        reasons = registry.list_refusals(registered)
        if not reasons:
            registry.load(registered)
            return registered
    except RegistryError as error:
        raise click.ClickException(str(error)) from None
    told = "\n".join(f"  {reason}" for reason in reasons)
    click.echo(f"Error: version {registered.number} ({registered.version}) must not be deployed:\n{told}", err=True)
    details = {"number": registered.number, "why": reasons}
    with_session(lambda session: record_act(session, "refuse to deploy", registered.version, details))
    raise SystemExit(1)


@click.command()
@click.option("--why", default="by hand", show_default=True, help="For the audit log.")
def promote(why: str) -> None:
    """Make the challenger the champion: all installs get it."""

    async def work(session: AsyncSession) -> Deployment:
        challenger = (await service.read_running(session)).challenger
        if challenger is None:
            raise DeploymentRefused("there is no challenger to promote. `deploy VERSION --share 10%` makes one.")
        return await service.promote(session, challenger.id, actor=OPERATOR, reason=why, now=datetime.now(UTC))

    champion = in_one_step(work)
    click.echo(f"Version {champion.number} ({champion.model_version}) is the champion.")


@click.command()
@click.option("--shadow", is_flag=True, help="End the version in the shadow, and nothing else.")
@click.option("--why", default="", help="For the audit log.")
def rollback(shadow: bool, why: str) -> None:
    """End the challenger; without one, go back to the champion before the present one."""

    async def work(session: AsyncSession) -> tuple[Deployment, str]:
        running = await service.read_running(session)
        ending = running.shadow if shadow else running.challenger or running.champion
        if ending is None:
            what = "in the shadow" if shadow else f"deployed: {service.SHIPPED} serves"
            raise DeploymentRefused(f"nothing is {what}.")
        return ending, await service.roll_back(session, ending.id, actor=OPERATOR, reason=why, now=datetime.now(UTC))

    ended, champion = in_one_step(work)
    click.echo(f"Version {ended.number} ({ended.model_version}) was rolled back. Champion: {champion}.")


@click.command()
@click.option("--champion", is_flag=True, help="Print only the champion's number, or the shipped model's folder.")
def deployments(champion: bool) -> None:
    """List what is deployed, which replicas serve it, and what was deployed before."""
    if champion:
        row = with_session(service.read_running).champion
        click.echo(read_settings().model_folder if row is None else row.number)
        return
    for name, told in with_session(overview):
        click.echo(f"{name:<11} {told}".rstrip())


async def overview(session: AsyncSession) -> list[tuple[str, str]]:
    """What is deployed, as pairs of a role and what is told of it."""
    running = await service.read_running(session)
    lines = [] if running.champion else [("champion", service.SHIPPED)]
    for each in (running.champion, running.challenger, running.shadow):
        if each is not None:
            share = f", {each.share:.1%} of the installs" if each.role == "challenger" else ""
            lines.append((each.role, f"{named(each)}{share}, since {each.started_at:%Y-%m-%d %H:%M} UTC"))
        if each is not None and each is running.challenger:
            lines.append(("", (await measure_status(session, each)).summary))
    if running.shadow is not None:
        scored = await score_shadow(session, running.shadow.id)
        lines.append(("", f"against what was posted: {in_words(scored.shadow)}; shown: {in_words(scored.shown)}"))
    replicas = await list_replicas(session, datetime.now(UTC))
    for replica in replicas:
        lines.append(("replica", f"{replica.name}: champion {replica.champion}, loaded {', '.join(replica.loaded)}"))
        lines += [("", f"lacks {version}: {why}") for version, why in sorted(replica.problems.items())]
    if not replicas:
        lines.append(("replica", "none has been heard of lately"))
    past = [each for each in await service.list_deployments(session) if each.ended_at is not None]
    given = await read_verdicts(session)
    for each in past[:MOST_LISTED]:
        verdict = f", verdict: {given[each.id].word}" if each.id in given else ""
        ended = f"{each.ended_at:%Y-%m-%d %H:%M} UTC: {each.ended_because}{verdict}"
        lines.append(("ended", f"{named(each)}, {each.role}, {ended}"))
    return lines


def named(deployment: Deployment) -> str:
    """A deployment's version, as people name it."""
    return f"version {deployment.number} ({deployment.model_version})"


def in_words(scores: Scores) -> str:
    """Scores in a line."""
    if scores.jaccard is None:
        return "no posted draft yet"
    precision = "n/a" if scores.precision is None else f"{scores.precision:.3f}"
    return f"Jaccard {scores.jaccard:.3f}, precision {precision}, recall {scores.recall:.3f} (n = {scores.drafts:,})"


def in_one_step(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run a step in one transaction, and tell why it is refused without a traceback."""
    try:
        return with_session(work)
    except DeploymentRefused as error:
        raise click.ClickException(str(error)) from None
