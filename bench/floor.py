"""The floors: what the same framework and database do with no service in between.

A bare FastAPI application, run as ``uvicorn bench.floor:app``. ``BENCH_DATABASE`` is asyncpg's address of a database.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

CREATE = "CREATE TABLE IF NOT EXISTS floor (id uuid PRIMARY KEY, title_chars integer, body_chars integer)"
INSERT = "INSERT INTO floor (id, title_chars, body_chars) VALUES ($1, $2, $3)"


class Draft(BaseModel):
    """What a route must read at least."""

    model_config = ConfigDict(strict=True)

    draft_id: Annotated[UUID, Field(strict=False)]
    title: str
    body: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold a pool of connections."""
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE"], min_size=10, max_size=10) as pool:
        await pool.execute(CREATE)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/read")
async def read(draft: Draft) -> dict[str, int]:
    """HTTP alone."""
    return {"chars": len(draft.body)}


@app.post("/insert")
async def insert(draft: Draft) -> dict[str, int]:
    """One insert."""
    # An id of its own: at this rate the load's messages come round again.
    await app.state.pool.execute(INSERT, uuid4(), len(draft.title), len(draft.body))
    return {"chars": len(draft.body)}
