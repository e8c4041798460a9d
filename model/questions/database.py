"""Questions from an SQL database, by SQLAlchemy's URL and a query or the name of a table or view."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import Row, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from model.questions import QuestionsError
from model.questions.columns import Columns
from model.questions.posts import READ, REQUIRED, Batch, BatchReader

ROWS_AT_ONCE: Final = 5_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)?")
_Rows = tuple[Sequence[str], Sequence[Row[Any]]]
"""The names of the columns, and some rows."""
_POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+asyncpg")


class Database:
    """The rows of a query as a source; their columns are named as in a CSV of data.stackexchange.com, or as ours.

    Attributes:
        name: the URL without its password.
        length: 0, since nobody knows how many rows there are.
    """

    name: str
    length: int = 0

    def __init__(self, url: str, query: str) -> None:
        """Take a URL, and a query or a name.

        Raises:
            QuestionsError: the URL is none.
        """
        try:
            self._url = make_url(url)
        except ArgumentError as error:
            raise QuestionsError("This is no database URL. One looks like postgresql://user@host/database.") from error
        self.name = self._url.render_as_string(hide_password=True)
        self.query = f"SELECT * FROM {query}" if _NAME.fullmatch(query) else query

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read all rows. A query need not give them in the same order again, so there is no going on after some."""
        assert after is None, "a database is read from the beginning"
        done = 0
        try:
            for names, rows in self._postgresql() if self._url.drivername in _POSTGRESQL else self._other():
                if not done:
                    columns = self._checked(names)
                    reader = BatchReader(self._source(), columns.notices("The query"))
                for number, row in enumerate(rows, start=done + 1):
                    reader.read(columns.row(row), f"row {number}", number)
                done += len(rows)
                yield reader.batch(done, done)
        except NoSuchModuleError as error:
            raise QuestionsError(f"SQLAlchemy knows no database {self._url.drivername!r}.") from error
        except ModuleNotFoundError as error:
            raise QuestionsError(
                f"{error.name} is not installed: {self._url.drivername} needs it. Install it, or name another driver."
            ) from error
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # While rows are streamed, the driver's errors come as they are.
            cause = getattr(error, "orig", None) or error
            reason = str(cause).splitlines()[0]
            if str(getattr(cause, "sqlstate", "")).startswith("22"):  # PostgreSQL's message has the value in it
                reason = "a value cannot be converted as the query asks"
            raise QuestionsError(f"{self.name}: {reason}") from error

    def _checked(self, names: Sequence[str]) -> Columns:
        columns = Columns(names, READ)
        if missing := columns.missing(*REQUIRED):
            raise QuestionsError(
                f"The rows lack the columns {', '.join(missing)}; they have {', '.join(names)}. "
                "Give --query a SELECT that names them so, with AS."
            )
        return columns

    def _source(self) -> str:
        return self._url.database or self._url.get_backend_name()

    def _other(self) -> Iterator[_Rows]:
        engine = create_engine(self._url)
        try:
            with engine.connect() as connection:
                result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(text(self.query))
                names = list(result.keys())
                for rows in result.partitions():
                    yield names, rows
        finally:
            engine.dispose()

    def _postgresql(self) -> Iterator[_Rows]:
        """Stream rows by asyncpg, the driver that the service has."""
        rows = self._streamed()

        async def following() -> _Rows | None:
            return await anext(rows, None)

        with asyncio.Runner() as runner:
            while (some := runner.run(following())) is not None:
                yield some

    async def _streamed(self) -> AsyncIterator[_Rows]:
        engine = create_async_engine(self._url.set(drivername="postgresql+asyncpg"))
        try:
            async with engine.connect() as connection:
                result = await connection.stream(text(self.query), execution_options={"yield_per": ROWS_AT_ONCE})
                names = list(result.keys())
                async for rows in result.partitions():
                    yield names, rows
        finally:
            await engine.dispose()
