"""Deploying, promoting and rolling back: PostgreSQL says what is served, and each step is in the audit log.

Every replica follows the table (see `backend.deployments.loader`), so whoever writes here changes what all serve.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import list_acts_between, record_act
from backend.deployments.registry import RegisteredVersion
from backend.deployments.replicas import list_replicas
from backend.deployments.router import hash_install
from backend.deployments.tables import Assignment, Deployment, ModelVersion, Phase
from backend.postgres.locks import AdvisoryLock, wait_for_lock

DEPLOY, GROW, PROMOTE, ROLL_BACK = "deploy", "change share", "promote", "roll back"
STEPS = (DEPLOY, GROW, PROMOTE, ROLL_BACK)
"""The names of the steps in the audit log."""

VERDICT = "verdict"
"""The name there of the verdict on a challenger, which changes nothing by itself."""

PROMOTED, REPLACED, ROLLED_BACK = "promoted", "replaced", "rolled back"
"""Reasons why a deployment ended; a guardrail writes its own."""

SHIPPED = "the shipped model"
"""The champion while none is deployed."""


class DeploymentRefused(Exception):
    """A step that is not allowed now; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunningDeployments:
    """The deployments that run, at most one of each role."""

    champion: Deployment | None
    challenger: Deployment | None
    shadow: Deployment | None


@dataclass(frozen=True, slots=True)
class Release:
    """A step in the life of the models, as charts mark it; ``description`` is for people."""

    at: datetime
    description: str


async def read_running(session: AsyncSession) -> RunningDeployments:
    """Return the deployments that run now."""
    rows = {row.role: row for row in await session.scalars(select(Deployment).where(Deployment.ended_at.is_(None)))}
    return RunningDeployments(rows.get("champion"), rows.get("challenger"), rows.get("shadow"))


async def list_champions(session: AsyncSession) -> list[Deployment]:
    """Return the champion's deployment, the one that it replaced, and so on; none where the shipped model serves.

    A champion that was rolled back is not among them.
    """
    champions = []
    deployment = (await read_running(session)).champion
    while deployment is not None:
        champions.append(deployment)
        deployment = await session.get(Deployment, deployment.replaces) if deployment.replaces else None
    return champions


async def deploy(
    session: AsyncSession,
    registered: RegisteredVersion,
    *,
    share: float,
    now: datetime,
    actor: str,
    shadow: bool = False,
    horizon: int | None = None,
    until: datetime | None = None,
    min_weeks: int | None = None,
    smallest_difference: float | None = None,
    promote_if_better: bool = False,
) -> Deployment:
    """Deploy a version to a share of the installs or as the shadow, or raise the share of the challenger that it is.

    Its checks were passed before (`backend.deployments.registry.list_refusals`).

    Args:
        session: in a transaction.
        registered: what the registry says of the version.
        share: part of the installs, 0 to 1; 0 for a shadow.
        now: the present, aware.
        actor: who does it (see `backend.audit.service`).
        shadow: whether its answers are shown to nobody.
        horizon: installs after which the experiment gets its verdict.
        until: when it gets it at the latest.
        min_weeks: whole weeks that the experiment lasts at least.
        smallest_difference: of the acceptance rate, that would matter; .02 = 2 points.
        promote_if_better: whether the verdict may promote it.

    Raises:
        DeploymentRefused: another version has the role, or the share would shrink.
    """
    await wait_for_lock(session, AdvisoryLock.DEPLOY)
    running = await read_running(session)
    role = "shadow" if shadow else "challenger"
    before = running.shadow if shadow else running.challenger
    _check_role(before, role, registered.version, share)
    if await _serves_as_champion(session, registered.version, running, now):
        raise DeploymentRefused(f"{registered.version} is the champion already.")
    if before is not None:
        return await _raise_share(session, before, share, now, actor)
    if not shadow and running.shadow is not None and running.shadow.model_version == registered.version:
        await _end(session, running.shadow, "became the challenger", now)
    await _record_version(session, registered, now)
    deployment = Deployment(
        id=uuid4(),
        model_version=registered.version,
        number=registered.number,
        role=role,
        share=0.0 if shadow else share,
        salt=secrets.token_hex(8),
        horizon=horizon,
        until=until,
        min_weeks=min_weeks,
        smallest_difference=smallest_difference,
        promote_if_better=promote_if_better,
        started_at=now,
        started_by=actor,
    )
    session.add(deployment)
    if not shadow:
        await session.flush()
        session.add(Phase(deployment_id=deployment.id, started_at=now, share=share))
    details = audit_details(deployment) | {"role": role, "share": deployment.share}
    if horizon is not None:
        details |= {"horizon": horizon, "smallest_difference": smallest_difference}
    await record_act(session, DEPLOY, registered.version, details, actor=actor, at=now)
    return deployment


def _check_role(before: Deployment | None, role: str, version: str, share: float) -> None:
    """Refuse a share that is none, and a version whose role another one has.

    A challenger may be deployed again, which raises its share; a shadow may not.
    """
    if role == "challenger" and not 0 < share <= 1:
        raise DeploymentRefused(f"the share must be above 0 % and at most 100 %, and {share:.1%} was given.")
    if before is not None and (role == "shadow" or before.model_version != version):
        raise DeploymentRefused(
            f"version {before.number} ({before.model_version}) is the {role} already. "
            + ("End it first: `rollback --shadow`." if role == "shadow" else "Promote it or roll it back first.")
        )


async def _raise_share(
    session: AsyncSession, deployment: Deployment, share: float, now: datetime, actor: str
) -> Deployment:
    """Raise a challenger's share, and mark the installs that move over to it."""
    if share <= deployment.share:
        raise DeploymentRefused(
            f"version {deployment.number} already has {deployment.share:.1%} of the installs, and a share only grows, "
            "so that each install keeps its arm. To end it, roll it back."
        )
    champions_installs = await session.scalars(
        select(Assignment.install_id).where(
            Assignment.deployment_id == deployment.id, Assignment.arm == "champion", Assignment.moved_at.is_(None)
        )
    )
    moved = [install_id for install_id in champions_installs if hash_install(deployment.salt, install_id) < share]
    await session.execute(
        update(Assignment)
        .where(Assignment.deployment_id == deployment.id, Assignment.install_id == text("ANY(:moved)"))
        .values(moved_at=now),
        {"moved": moved},
    )
    details = audit_details(deployment) | {"before": deployment.share, "share": share}
    deployment.share = share
    session.add(Phase(deployment_id=deployment.id, started_at=now, share=share))
    await record_act(session, GROW, deployment.model_version, details, actor=actor, at=now)
    return deployment


async def promote(session: AsyncSession, deployment_id: UUID, *, actor: str, reason: str, now: datetime) -> Deployment:
    """Make the challenger the champion; return the champion's deployment.

    Raises:
        DeploymentRefused: the deployment is not the running challenger.
    """
    await wait_for_lock(session, AdvisoryLock.DEPLOY)
    running = await read_running(session)
    challenger = running.challenger
    if challenger is None or challenger.id != deployment_id:
        raise DeploymentRefused("there is no challenger to promote. `tagalong-server deployments` shows what runs.")
    await _end(session, challenger, PROMOTED, now)
    if running.champion is not None:
        await _end(session, running.champion, REPLACED, now)
    champion = _make_champion(challenger, now, actor, replaces=running.champion)
    session.add(champion)
    details = audit_details(challenger) | {"instead of": _version_of(running.champion), "why": reason}
    await record_act(session, PROMOTE, champion.model_version, details, actor=actor, at=now)
    return champion


async def roll_back(session: AsyncSession, deployment_id: UUID, *, actor: str, reason: str, now: datetime) -> str:
    """End a deployment; a champion is replaced by the one before it. Return the version that serves instead.

    Raises:
        DeploymentRefused: the deployment does not run, or it is the champion while a challenger is tried against it.
    """
    await wait_for_lock(session, AdvisoryLock.DEPLOY)
    running = await read_running(session)
    roles = (running.champion, running.challenger, running.shadow)
    ending = next((row for row in roles if row and row.id == deployment_id), None)
    if ending is None:
        raise DeploymentRefused("this deployment does not run (any more).")
    instead = running.champion
    if ending is running.champion:
        if running.challenger is not None:
            raise DeploymentRefused("a challenger is tried against this champion. Roll that back first.")
        await _end(session, ending, reason or ROLLED_BACK, now)
        instead = None
        if ending.replaces is not None:
            before = await session.get_one(Deployment, ending.replaces)
            instead = _make_champion(before, now, actor)
            instead.replaces = before.replaces
            session.add(instead)
    else:
        await _end(session, ending, reason or ROLLED_BACK, now)
    details = audit_details(ending) | {"role": ending.role, "to": _version_of(instead), "why": reason or ROLLED_BACK}
    await record_act(session, ROLL_BACK, ending.model_version, details, actor=actor, at=now)
    return _version_of(instead)


def _make_champion(version: Deployment, now: datetime, actor: str, replaces: Deployment | None = None) -> Deployment:
    return Deployment(
        id=uuid4(),
        model_version=version.model_version,
        number=version.number,
        role="champion",
        share=1.0,
        salt="",
        promote_if_better=False,
        started_at=now,
        started_by=actor,
        replaces=None if replaces is None else replaces.id,
    )


def audit_details(deployment: Deployment) -> dict[str, Any]:
    """Return what names a deployment in the audit log."""
    return {"deployment": str(deployment.id), "number": deployment.number}


def _version_of(deployment: Deployment | None) -> str:
    return SHIPPED if deployment is None else deployment.model_version


async def _end(session: AsyncSession, deployment: Deployment, because: str, now: datetime) -> None:
    deployment.ended_at, deployment.ended_because = now, because
    # At once: the unique index of running deployments has room for one row of each role.
    await session.flush()


async def _serves_as_champion(session: AsyncSession, version: str, running: RunningDeployments, now: datetime) -> bool:
    """Return whether a version is champion; only the replicas know the name of the shipped one."""
    if running.champion is not None:
        return running.champion.model_version == version
    return any(replica.champion == version for replica in await list_replicas(session, now))


async def _record_version(session: AsyncSession, registered: RegisteredVersion, now: datetime) -> None:
    known = await session.get(ModelVersion, registered.version)
    if known is not None and known.number != registered.number:
        raise DeploymentRefused(
            f"version {registered.number} is the same model as version {known.number} ({known.version})."
        )
    taken = await session.scalar(select(ModelVersion.version).where(ModelVersion.number == registered.number))
    if taken not in (None, registered.version):
        raise DeploymentRefused(
            f"version {registered.number} was {taken} when it was deployed before, and is {registered.version} now. "
            "A number names one model for good: register the new one under another number."
        )
    if known is None:
        session.add(
            ModelVersion(
                version=registered.version, number=registered.number, first_deployed_at=now, about=registered.about
            )
        )
        await session.flush()


async def list_phases(session: AsyncSession, deployment: Deployment) -> list[Phase]:
    """Return the phases of a challenger's share, the first one first."""
    rows = await session.scalars(select(Phase).where(Phase.deployment_id == deployment.id).order_by(Phase.started_at))
    return list(rows) or [Phase(deployment_id=deployment.id, started_at=deployment.started_at, share=deployment.share)]


async def list_deployments(session: AsyncSession) -> list[Deployment]:
    """Return all deployments, newest first."""
    return list(await session.scalars(select(Deployment).order_by(Deployment.started_at.desc(), Deployment.id)))


async def list_replaced_versions(session: AsyncSession, since: datetime) -> list[str]:
    """Return the versions that another one replaced after ``since``, which may still have drafts to answer.

    Those rolled back since are not among them.
    """
    rows = await session.execute(
        select(Deployment.model_version, Deployment.ended_because)
        .ext(distinct_on(Deployment.model_version))
        .where(Deployment.ended_at > since)
        .order_by(Deployment.model_version, Deployment.ended_at.desc())
    )
    return [row.model_version for row in rows if row.ended_because == REPLACED]


async def list_releases(session: AsyncSession, since: datetime, until: datetime) -> list[Release]:
    """Return every step between two moments, in order, for the charts."""
    acts = await list_acts_between(session, STEPS, since, until)
    return [Release(act.at, describe_step(act.act, act.subject, act.details)) for act in acts]


def describe_step(step: str, version: str, details: Mapping[str, Any]) -> str:
    """Return a step in a few words: ``deploy full-176fc757 (version 7), 10% of the installs``."""
    described = f"{step} {version} (version {details['number']})"
    if step == DEPLOY and details["role"] == "shadow":
        return f"{described}, in the shadow"
    if step in (DEPLOY, GROW):
        return f"{described}, {details['share']:.0%} of the installs"
    return f"{described}: {details['why']}"
