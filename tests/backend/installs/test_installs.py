"""What is stored of an install is handed out whole, and forgotten whole, whichever tables there come to be."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Table, Text, func, insert, select

from backend.schema import METADATA
from tests.backend.service import Service

pytestmark = pytest.mark.anyio

INSTALL = "install_id"

# What the checks of a table ask for; everything else is made by its type.
WORDS = {
    "draft.kind": "ask",
    "event.kind": "posted",
    "suggestion.order": "model",
    "suggestion.origin": "device",
    "draft.origin": "device",
    "deployment.role": "shadow",
    "assignment.arm": "champion",
}


def hangs_on_an_install(table: Table) -> bool:
    """Whether a row names an install, or something that an install wrote."""
    others = (key.column.table for key in table.foreign_keys)
    return INSTALL in table.c or any(hangs_on_an_install(other) for other in others if other is not table)


LINKED = [table for table in METADATA.sorted_tables if hangs_on_an_install(table)]


def value_of(column: Column[Any], install_id: UUID, rows: dict[str, dict[str, Any]]) -> object:
    """A value for a column that no other row has, where that is possible."""
    if column.name == INSTALL:
        return install_id
    for key in column.foreign_keys:
        return rows[key.column.table.name][key.column.name] if key.column.table.name in rows else None
    if word := WORDS.get(str(column)):
        return word
    python = column.type.python_type
    made: dict[type, object] = {
        UUID: uuid4(),
        str: f"word-{uuid4().hex[:8]}",
        int: uuid4().int % 30_000,
        float: 0.25,
        bool: True,
        datetime: datetime.now(UTC),
        date: datetime.now(UTC).date(),
        list: ["python"] if isinstance(getattr(column.type, "item_type", None), Text) else [0.5],
        object: {},
    }
    return 1 if column.name == "confident" else made[python]


async def store_of_install(service: Service, install_id: UUID) -> dict[str, dict[str, Any]]:
    """Store one row in every table that an install's row can hang on or be hung on by; return them by table."""
    rows: dict[str, dict[str, Any]] = {}
    needed = {key.column.table for table in LINKED for key in table.foreign_keys} | set(LINKED)
    needed |= {key.column.table for table in needed for key in table.foreign_keys}
    async with service.database.session() as session:
        for table in [table for table in METADATA.sorted_tables if table in needed]:
            row = {column.name: value_of(column, install_id, rows) for column in table.c if column.identity is None}
            await session.execute(insert(table).values(row))
            rows[table.name] = row
    return rows


def dictionaries(value: object) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from dictionaries(part)


def as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID | date) else value


def test_d10_the_tables_of_an_install_are_known() -> None:
    names = {table.name for table in LINKED}
    assert names >= {"draft", "suggestion", "event", "refused", "numbering", "item", "assignment", "shadow"}


async def test_d10_the_export_holds_every_row_of_every_table_that_hangs_on_an_install(service: Service) -> None:
    install_id = uuid4()
    rows = await store_of_install(service, install_id)
    await store_of_install(service, uuid4())
    exported = (await service.client.get(f"/api/v1/installs/{install_id}")).json()
    objects = list(dictionaries(exported))
    for table in LINKED:
        row = {name: as_json(value) for name, value in rows[table.name].items()}
        assert any(contains(each, row) for each in objects), f"the export lacks the row of {table.name}"


def contains(whole: dict[str, Any], part: dict[str, Any]) -> bool:
    return all(name in whole and whole[name] == value for name, value in part.items())


async def test_d10_erasing_leaves_no_row_of_any_table_that_names_the_install(service: Service) -> None:
    install_id, other = uuid4(), uuid4()
    await store_of_install(service, install_id)
    await store_of_install(service, other)
    assert (await service.client.delete(f"/api/v1/installs/{install_id}")).status_code == 204
    async with service.database.session() as session:
        for table in LINKED:
            assert await session.scalar(select(func.count()).select_from(table)) == 2, table.name
            if INSTALL in table.c:
                left = list(await session.scalars(select(table.c[INSTALL])))
                assert install_id not in left, table.name
                assert other in left, table.name
    assert (await service.client.get(f"/api/v1/installs/{install_id}")).status_code == 404
