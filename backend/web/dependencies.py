"""What routes of several features depend on."""

from typing import Annotated

from fastapi import Depends, Request

from backend.postgres.database import Database


async def get_database(request: Request) -> Database:
    """Return the application's database. Async, since FastAPI runs other dependencies in a thread."""
    database: Database = request.app.state.database
    return database


DatabaseDependency = Annotated[Database, Depends(get_database)]
