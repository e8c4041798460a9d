"""Routes to export and to erase what is stored of an install. Whoever knows its random id may do so."""

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from backend.installs.service import erase_install, export_install
from backend.web.dependencies import DatabaseDependency
from backend.web.problems import Problem

router = APIRouter(prefix="/api/v1/installs", tags=["installs"])


class InstallExport(BaseModel):
    """All that is stored of an install. There is no draft's text in it, since none is ever stored."""

    install_id: UUID
    drafts: list[dict[str, Any]]
    items: list[dict[str, Any]]
    events: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    numbering: list[dict[str, Any]]
    daily_sums: list[dict[str, Any]]
    arms: list[dict[str, Any]]
    shadow_answers: list[dict[str, Any]]


@router.get("/{install_id}")
async def export(install_id: UUID, database: DatabaseDependency) -> InstallExport:
    """Return everything that is stored of an install."""
    rows = await database.run(partial(export_install, install_id=install_id))
    if not any(rows.values()):
        raise Problem(404, "Unknown install", "Nothing is stored of this install: it never was, or was erased.")
    return InstallExport(install_id=install_id, **rows)


@router.delete("/{install_id}", status_code=204)
async def erase(install_id: UUID, database: DatabaseDependency) -> None:
    """Remove the install from its drafts and events; the counts stay. Erasing twice changes nothing more."""
    await database.run(partial(erase_install, install_id=install_id))
