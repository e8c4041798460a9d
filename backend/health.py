"""Health checks: whether the process is alive, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from backend.state import AppState
from backend.web.problems import Problem

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process is alive."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """The service answers drafts. Without its database it still does, but nothing is recorded."""

    status: Literal["ready"] = "ready"
    model: str
    database: Literal["present", "away"]
    damage: str = Field(description="What of the database is damaged, and what to do; empty where nothing is known")
    missing_models: dict[str, str] = Field(description="Deployed versions that could not be loaded here, and why")


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Live:
    """Return that the process is alive."""
    return Live()


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(request: Request) -> Ready:
    """Return whether the service can answer; 503 while it is starting, draining, or without its schema."""
    state: AppState = request.app.state
    if state.draining:
        raise Problem(503, "Ending", "This process ends; another one takes its place.", headers={"Retry-After": "5"})
    if not state.migrated:
        raise Problem(
            503,
            "Not ready",
            state.not_migrated_because or "The database has not been reached yet; trying again.",
            headers={"Retry-After": "5"},
        )
    # As the last request or the background ping found it, at most seconds ago: to ask now, of an overloaded or stalled
    # database, would take too long.
    database: Literal["present", "away"] = "away" if state.database.away or state.database.damage else "present"
    return Ready(
        model=state.router.models.champion.version,
        database=database,
        damage=state.database.damage,
        missing_models=state.loader.problems,
    )
