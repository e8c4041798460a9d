"""Deploying, promoting and rolling back: PostgreSQL says what is served, and each step stands in the audit log.

Every replica follows the table (see `backend.deployments.router`), so whoever writes here changes what all serve.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import acts_between, note
from backend.deployments.arms import point
from backend.deployments.registry import Registered
from backend.deployments.tables import Assignment, Deployment, ModelVersion, Replica, Shadow
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import as_dict
from backend.postgres.locks import AdvisoryLock, wait_for_lock

DEPLOY, GROW, PROMOTE, ROLL_BACK = "deploy", "change share", "promote", "roll back"
STEPS = (DEPLOY, GROW, PROMOTE, ROLL_BACK)
"""What the audit log calls each step."""

VERDICT = "verdict"
"""What it calls the verdict on a challenger, which changes nothing by itself."""

PROMOTED, REPLACED, ROLLED_BACK = "promoted", "replaced", "rolled back"
"""Why a deployment ended; a guardrail writes its own reason."""

SHIPPED = "the shipped model"
"""What is champion while no deployment is."""

# A replica that has not been heard of for so long is gone.
REPLICA_GONE = timedelta(seconds=30)


class DeploymentRefused(Exception):
    """A step that the present state does not allow; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Current:
    """The deployments that run, one a role at most."""

    champion: Deployment | None
    challenger: Deployment | None
    shadow: Deployment | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A step in the life of the models, to be shown on a chart."""

    at: datetime
    what: str


async def current(session: AsyncSession) -> Current:
    """The deployments that run now."""
    rows = {row.role: row for row in await session.scalars(select(Deployment).where(Deployment.ended_at.is_(None)))}
    return Current(rows.get("champion"), rows.get("challenger"), rows.get("shadow"))


async def deploy(
    session: AsyncSession,
    registered: Registered,
    *,
    share: float,
    now: datetime,
    actor: str,
    shadow: bool = False,
    horizon: int | None = None,
    until: datetime | None = None,
    smallest_difference: float | None = None,
    promote_if_better: bool = False,
) -> Deployment:
    """Give a version to a share of the installs, or let it run beside in the shadow; or let its share grow.

    The gates were passed before (`backend.deployments.registry.refusals`).

    Args:
        session: the transaction of it.
        registered: what the registry says of the version.
        share: part of installs, 0 to 1; 0 for a shadow.
        now: the moment, aware.
        actor: who does it (see `backend.audit.service`).
        shadow: whether nobody is to be shown its answers.
        horizon: installs after which the experiment gets its verdict.
        until: when it gets it at the latest.
        smallest_difference: of the acceptance rate, that would matter; .02 = 2 points.
        promote_if_better: whether the verdict may promote it.

    Raises:
        DeploymentRefused: another one runs, or the share would shrink.
    """
    await _lock(session)
    running = await current(session)
    role = "shadow" if shadow else "challenger"
    before = running.shadow if shadow else running.challenger
    if not shadow and not 0 < share <= 1:
        raise DeploymentRefused(f"a share of {share:.1%} is none: give one above 0 % and up to 100 %.")
    if before is not None and (shadow or before.model_version != registered.version):
        raise DeploymentRefused(
            f"version {before.number} ({before.model_version}) is the {role} already. "
            + ("`rollback --shadow` ends that." if shadow else "Promote it or roll it back first.")
        )
    if await _serves_as_champion(session, registered.version, running, now):
        raise DeploymentRefused(f"{registered.version} is the champion already.")
    if before is not None:
        return await _grow(session, before, share, now, actor)
    if not shadow and running.shadow is not None and running.shadow.model_version == registered.version:
        await _end(session, running.shadow, "became the challenger", now)
    await _note_version(session, registered, now)
    deployment = Deployment(
        id=uuid4(),
        model_version=registered.version,
        number=registered.number,
        role=role,
        share=0.0 if shadow else share,
        salt=secrets.token_hex(8),
        horizon=horizon,
        until=until,
        smallest_difference=smallest_difference,
        promote_if_better=promote_if_better,
        started_at=now,
        started_by=actor,
    )
    session.add(deployment)
    details = told(deployment) | {"role": role, "share": deployment.share}
    if horizon is not None:
        details |= {"horizon": horizon, "smallest_difference": smallest_difference}
    await note(session, DEPLOY, registered.version, details, actor=actor, at=now)
    return deployment


async def _grow(session: AsyncSession, deployment: Deployment, share: float, now: datetime, actor: str) -> Deployment:
    """Let a challenger's share grow, and mark the installs that move over to it."""
    if share <= deployment.share:
        raise DeploymentRefused(
            f"version {deployment.number} has {deployment.share:.1%} of the installs already, and a share only grows, "
            "so that each install keeps its arm. Roll it back to end it."
        )
    held = await session.scalars(
        select(Assignment.install_id).where(
            Assignment.deployment_id == deployment.id, Assignment.arm == "champion", Assignment.moved_at.is_(None)
        )
    )
    moved = [install_id for install_id in held if point(deployment.salt, install_id) < share]
    await session.execute(
        update(Assignment)
        .where(Assignment.deployment_id == deployment.id, Assignment.install_id == text("ANY(:moved)"))
        .values(moved_at=now),
        {"moved": moved},
    )
    details = told(deployment) | {"before": deployment.share, "share": share}
    deployment.share = share
    await note(session, GROW, deployment.model_version, details, actor=actor, at=now)
    return deployment


async def promote(session: AsyncSession, deployment_id: UUID, *, actor: str, reason: str, now: datetime) -> Deployment:
    """Make the challenger the champion; return the champion's deployment.

    Raises:
        DeploymentRefused: that deployment is no running challenger.
    """
    await _lock(session)
    running = await current(session)
    challenger = running.challenger
    if challenger is None or challenger.id != deployment_id:
        raise DeploymentRefused("there is no challenger to promote. `tagalong-server deployments` shows what runs.")
    await _end(session, challenger, PROMOTED, now)
    if running.champion is not None:
        await _end(session, running.champion, REPLACED, now)
    champion = _champion(challenger, now, actor, replaces=running.champion)
    session.add(champion)
    details = told(challenger) | {"instead of": _name(running.champion), "why": reason}
    await note(session, PROMOTE, champion.model_version, details, actor=actor, at=now)
    return champion


async def roll_back(session: AsyncSession, deployment_id: UUID, *, actor: str, reason: str, now: datetime) -> str:
    """End a deployment; in a champion's place comes the one before it. Return the version that serves instead.

    Raises:
        DeploymentRefused: that deployment does not run, or it is the champion while a challenger is tried against it.
    """
    await _lock(session)
    running = await current(session)
    ending = next(
        (each for each in (running.champion, running.challenger, running.shadow) if each and each.id == deployment_id),
        None,
    )
    if ending is None:
        raise DeploymentRefused("that deployment does not run (any more).")
    instead = running.champion
    if ending is running.champion:
        if running.challenger is not None:
            raise DeploymentRefused("a challenger is tried against this champion. Roll that back first.")
        await _end(session, ending, reason or ROLLED_BACK, now)
        instead = None
        if ending.replaces is not None:
            before = await session.get_one(Deployment, ending.replaces)
            instead = _champion(before, now, actor)
            instead.replaces = before.replaces
            session.add(instead)
    else:
        await _end(session, ending, reason or ROLLED_BACK, now)
    details = told(ending) | {"role": ending.role, "to": _name(instead), "why": reason or ROLLED_BACK}
    await note(session, ROLL_BACK, ending.model_version, details, actor=actor, at=now)
    return _name(instead)


def _champion(of: Deployment, now: datetime, actor: str, replaces: Deployment | None = None) -> Deployment:
    return Deployment(
        id=uuid4(),
        model_version=of.model_version,
        number=of.number,
        role="champion",
        share=1.0,
        salt="",
        promote_if_better=False,
        started_at=now,
        started_by=actor,
        replaces=None if replaces is None else replaces.id,
    )


def told(deployment: Deployment) -> dict[str, Any]:
    """How the audit log names a deployment."""
    return {"deployment": str(deployment.id), "number": deployment.number}


def _name(deployment: Deployment | None) -> str:
    return SHIPPED if deployment is None else deployment.model_version


async def _end(session: AsyncSession, deployment: Deployment, because: str, now: datetime) -> None:
    deployment.ended_at, deployment.ended_because = now, because
    # At once: the row that comes in its role would meet it in the index of those that run.
    await session.flush()


async def _lock(session: AsyncSession) -> None:
    """One step at a time."""
    await wait_for_lock(session, AdvisoryLock.DEPLOY)


async def _serves_as_champion(session: AsyncSession, version: str, running: Current, now: datetime) -> bool:
    """Whether a version is the champion; the shipped one's name is known from the replicas that serve it."""
    if running.champion is not None:
        return running.champion.model_version == version
    return any(replica.champion == version for replica in await replicas(session, now))


async def _note_version(session: AsyncSession, registered: Registered, now: datetime) -> None:
    known = await session.get(ModelVersion, registered.version)
    if known is not None and known.number != registered.number:
        raise DeploymentRefused(
            f"version {registered.number} is the same model as version {known.number} ({known.version})."
        )
    taken = await session.scalar(select(ModelVersion.version).where(ModelVersion.number == registered.number))
    if taken not in (None, registered.version):
        raise DeploymentRefused(
            f"version {registered.number} was {taken} when it was deployed before, and is {registered.version} now. "
            "A number names one model for good: register the new one under a number of its own."
        )
    if known is None:
        session.add(
            ModelVersion(
                version=registered.version, number=registered.number, first_deployed_at=now, about=registered.about
            )
        )
        await session.flush()


async def history(session: AsyncSession) -> list[Deployment]:
    """All deployments, the newest first."""
    return list(await session.scalars(select(Deployment).order_by(Deployment.started_at.desc(), Deployment.id)))


async def kept(session: AsyncSession, since: datetime) -> list[str]:
    """Versions that a better one replaced after ``since``: drafts may still be theirs. Not those rolled back since."""
    rows = await session.execute(
        select(Deployment.model_version, Deployment.ended_because)
        .ext(distinct_on(Deployment.model_version))
        .where(Deployment.ended_at > since)
        .order_by(Deployment.model_version, Deployment.ended_at.desc())
    )
    return [row.model_version for row in rows if row.ended_because == REPLACED]


async def marks(session: AsyncSession, since: datetime, until: datetime) -> list[Mark]:
    """Every step between two moments, in order, for the charts."""
    acts = await acts_between(session, STEPS, since, until)
    return [Mark(act.at, in_words(act.act, act.subject, act.details)) for act in acts]


def in_words(step: str, version: str, details: Mapping[str, Any]) -> str:
    """A step in a few words: ``deploy full-176fc757 (version 7), 10% of the installs``."""
    said = f"{step} {version} (version {details['number']})"
    if step == DEPLOY and details["role"] == "shadow":
        return f"{said}, in the shadow"
    if step in (DEPLOY, GROW):
        return f"{said}, {details['share']:.0%} of the installs"
    return f"{said}: {details['why']}"


async def export_assignments(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Which arms an install was in, oldest first."""
    rows = await session.scalars(
        select(Assignment).where(Assignment.install_id == install_id).order_by(Assignment.first_exposed_at)
    )
    return [as_dict(row) for row in rows]


async def export_shadow_answers(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """What versions in the shadow would have answered to an install's drafts, oldest first."""
    rows = await session.scalars(
        select(Shadow)
        .join(Suggestion, Suggestion.id == Shadow.suggestion_id)
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(Draft.install_id == install_id)
        .order_by(Suggestion.created_at, Suggestion.id)
    )
    return [as_dict(row) for row in rows]


async def reassign_assignments(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Put ``nobody`` in an install's place; return how many rows named it."""
    result = await session.execute(
        update(Assignment).where(Assignment.install_id == install_id).values(install_id=anonymous_id)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


async def forget_assignments(session: AsyncSession, before: datetime) -> int:
    """Delete who was in which arm of experiments that ended before a moment; return how many rows there were."""
    over = select(Deployment.id).where(Deployment.ended_at < before)
    result = await session.execute(delete(Assignment).where(Assignment.deployment_id.in_(over)))
    return int(result.rowcount)  # type: ignore[attr-defined]


async def beat(
    session: AsyncSession,
    replica_id: UUID,
    *,
    name: str,
    champion: str,
    loaded: Sequence[str],
    problems: dict[str, str],
    now: datetime,
) -> None:
    """Say what a replica serves now; forget those that have not been heard of for long."""
    values = {"name": name, "seen_at": now, "champion": champion, "loaded": list(loaded), "problems": problems}
    await session.execute(
        insert(Replica).values(id=replica_id, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    )
    await session.execute(delete(Replica).where(Replica.seen_at < now - REPLICA_GONE))


async def replicas(session: AsyncSession, now: datetime) -> list[Replica]:
    """The replicas that serve, by name."""
    rows = await session.scalars(select(Replica).where(Replica.seen_at >= now - REPLICA_GONE).order_by(Replica.name))
    return list(rows)
