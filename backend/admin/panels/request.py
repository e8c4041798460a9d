"""What a panel gets to read from: one snapshot of the database, and the view that was asked for."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import Bookkeeping, count_bookkeeping
from backend.acceptance.breakdowns import Grid, Offers, name_item_writers
from backend.acceptance.counts import (
    Latency,
    count_all,
    count_grid,
    count_offers,
    count_tag_by_day,
    count_tags,
    measure_latencies,
)
from backend.acceptance.figures import Counts
from backend.acceptance.filters import Filters
from backend.acceptance.value_estimate import USUAL, Assumptions
from backend.acceptance.writer_counts import count_item_writers
from backend.admin.query import View
from backend.alerts.rules import Rule
from backend.deployments.service import Release, list_deployments, list_releases
from backend.deployments.tables import Deployment
from backend.experiments.status import ExperimentStatus, find_latest_experiment, last_status

T = TypeVar("T")


class PanelRequest:
    """One request for a panel's twins, or for a page of panels.

    What several panels show is read when the first of them asks for it, and only once.

    Args:
        session: a snapshot of the database.
        view: the filters and the order of the tags.
        vocabulary: the tags of the model loaded now; empty if none is.
        now: the moment by which something is still open.
        rules: the rules of alerts, by name.
        assumptions: of the estimate of what suggestions are worth.
    """

    def __init__(
        self,
        session: AsyncSession,
        view: View,
        vocabulary: Collection[str],
        now: datetime,
        rules: Mapping[str, Rule],
        assumptions: Assumptions = USUAL,
    ) -> None:
        self.session = session
        self.view = view
        self.vocabulary = vocabulary
        self.now = now
        self.rules = rules
        self.assumptions = assumptions
        self._results: dict[str, Any] = {}

    @property
    def filters(self) -> Filters:
        """Which items and drafts to count."""
        return self.view.filters

    async def count_everything(self) -> None:
        """Count grid, offers and tags in one pass, for a page that shows them all."""
        counted = await count_all(self.session, self.filters, self.vocabulary, self.now)
        self._results |= {
            "grid": counted.grid,
            "offers": counted.offers,
            "tags": counted.tags,
            "item writers": counted.item_writers,
        }

    async def grid(self) -> Grid:
        """Return the counts by day, model version, site and position."""
        return await self._once("grid", lambda: count_grid(self.session, self.filters, self.vocabulary, self.now))

    async def previous_grid(self) -> Grid:
        """Return the counts of the period that the view compares with."""
        before = self.view.before
        return await self._once("previous grid", lambda: count_grid(self.session, before, self.vocabulary, self.now))

    async def overview(self) -> Counts:
        """Return the counts of everything."""
        return await self._once("overview", lambda: _sum_grid(self.grid))

    async def previous_overview(self) -> Counts:
        """Return the counts of everything in the period that the view compares with."""
        return await self._once("previous overview", lambda: _sum_grid(self.previous_grid))

    async def all_days(self) -> dict[date, Counts]:
        """Return the counts by day."""
        return await self._once("all days", lambda: _split_grid(self.grid, self.filters))

    async def days(self) -> dict[date, Counts]:
        """Return the counts by day, of the view's only tag if it has one."""
        if self.view.only_tag:
            return await self._once("tag", lambda: self._count_tag(self.filters))
        return await self.all_days()

    async def previous_days(self) -> dict[date, Counts]:
        """Return the counts by day of the period that the view compares with."""
        before = self.view.before
        if self.view.only_tag:
            return await self._once("previous tag", lambda: self._count_tag(before))
        return await self._once("previous days", lambda: _split_grid(self.previous_grid, before))

    async def _count_tag(self, filters: Filters) -> dict[date, Counts]:
        return await count_tag_by_day(self.session, filters, self.view.only_tag, self.now)

    async def positions(self, order: str | None = None) -> dict[int | None, Counts]:
        """Return the counts by position on screen, as `Grid.by_position` does, with the writers behind them."""
        grid, n_items = await self.grid(), (await self.overview()).viewed
        writers = await self._once("item writers", lambda: count_item_writers(self.session, self.filters, n_items))
        if writers is not None and order is not None:
            writers = writers.where("order", order)
        return name_item_writers(grid.by_position(order), writers, "position")

    async def offers(self) -> Offers:
        """Return the counts by length of the draft and by score."""
        return await self._once("offers", lambda: count_offers(self.session, self.filters, self.now))

    async def tags(self) -> dict[str, Counts]:
        """Return the counts by tag."""
        return await self._once("tags", lambda: count_tags(self.session, self.filters, self.vocabulary, self.now))

    async def latencies(self) -> list[Latency]:
        """Return how long the model took."""
        return await self._once("latencies", lambda: measure_latencies(self.session, self.filters, self.now))

    async def bookkeeping(self) -> Bookkeeping:
        """Return the faults of bookkeeping."""
        return await self._once("bookkeeping", lambda: count_bookkeeping(self.session, self.filters, self.now))

    async def experiment(self) -> ExperimentStatus | None:
        """Return the status of the experiment that runs, else of the last one, as last judged."""
        return await self._once("experiment", self._read_experiment)

    async def _read_experiment(self) -> ExperimentStatus | None:
        deployment = await find_latest_experiment(self.session)
        return None if deployment is None else await last_status(self.session, deployment)

    async def deployments(self) -> list[Deployment]:
        """Return all deployments, the newest first."""
        return await self._once("deployments", lambda: list_deployments(self.session))

    async def releases(self) -> list[Release]:
        """Return every release within the period, in order."""
        (span,) = self.filters.selection.spans
        return await self._once("releases", lambda: list_releases(self.session, span.start, span.end))

    async def _once(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        if name not in self._results:
            self._results[name] = await read()
        result: T = self._results[name]
        return result


async def _sum_grid(read_grid: Callable[[], Awaitable[Grid]]) -> Counts:
    return (await read_grid()).overview()


async def _split_grid(read_grid: Callable[[], Awaitable[Grid]], filters: Filters) -> dict[date, Counts]:
    return (await read_grid()).by_day(filters)
