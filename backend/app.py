"""The application: puts its parts together, starts them in order, and stops them in reverse order."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache, partial
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware

from backend import health
from backend.acceptance.rollup_refresh import REFRESH_EVERY, roll_up_days
from backend.acceptance.value_estimate import Assumptions
from backend.admin.routes import admin_router
from backend.alerts.channels import make_channels
from backend.alerts.rules import read_rules
from backend.alerts.service import EVALUATE_EVERY, NOTIFY_EVERY, Alerts
from backend.audit.refusals import FLUSH_EVERY as REFUSALS_EVERY
from backend.audit.refusals import RefusedSignIns
from backend.counters.totals import FLUSH_EVERY, Totals
from backend.deployments import routes as model_routes
from backend.deployments.device_files import DeviceFiles
from backend.deployments.device_versions import FIND_EVERY, DeviceVersions
from backend.deployments.loader import SYNC_EVERY, ModelLoader
from backend.deployments.registry import load_warm
from backend.deployments.router import Router
from backend.drafts.addresses import LOAD_SALTS_EVERY, AddressHasher, AddressLimits
from backend.experiments.service import EVALUATE_EVERY as EVALUATE_EXPERIMENT_EVERY
from backend.experiments.service import Experiments
from backend.feedback import routes as feedback_routes
from backend.feedback.anonymise import ANONYMISE_EVERY, anonymise_questions
from backend.feedback.waiting import REFUSE_EVERY, refuse_unanswered_events
from backend.installs import routes as install_routes
from backend.playground import routes as playground_routes
from backend.postgres.database import (
    REPAIR_ADVICE,
    Database,
    DatabaseAway,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
)
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.postgres.migrate import MayNotMigrate, NewerSchema, migrate
from backend.retention.service import DELETE_EXPIRED_EVERY, delete_expired
from backend.settings import RELEASED, Settings
from backend.state import AppState
from backend.suggestions import routes as suggestion_routes
from backend.suggestions.service import Suggester
from backend.web import problems, tracing
from backend.web.metrics import RequestMetricsMiddleware
from backend.web.middleware import request_checks
from backend.web.request_stats import FLUSH_EVERY as REQUEST_STATS_EVERY
from backend.web.request_stats import RequestStatsWriter
from model.serving import ReleaseError

log = logging.getLogger(__name__)

# How often the database is pinged, and migrated if it was away at start, or restarted if it is the embedded one and
# has died. Seconds.
WATCH_EVERY = 2.0

# The batch route takes 100 drafts of 50,000 characters, which may take three bytes each. Bytes.
BATCH_BODY_LIMIT = 16 << 20

PeriodicJob = tuple[Callable[[], Awaitable[object]], float]
"""Some work, and how often it is done, in seconds."""


def create_app(settings: Settings, *, on_ready: Callable[[FastAPI], None] = lambda app: None) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        settings: see `backend.settings`.
        on_ready: called once everything has started, before the first request.

    Raises:
        RulesError: the file of alert rules can't be used.
    """
    state = AppState(read_rules(settings.alert_rules))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                if tracing.is_enabled():
                    stack.push_async_callback(asyncio.to_thread, tracing.start())
                await start(state, settings, stack)
            except (EmbeddedFailure, ReleaseError, tracing.TracingUnavailable) as error:
                state.failure = error
                raise
            on_ready(app)
            yield

    app = FastAPI(
        title="Tagalong",
        summary="Tags for a draft while it is written, and what its writer did with them.",
        version=version("tagalong"),
        lifespan=lifespan,
        # FastAPI's pages load scripts from other hosts, which could read whatever the admin may read here.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses=problems.RESPONSES,
        middleware=middleware(settings),
    )
    state.install(app)
    app.include_router(suggestion_routes.router)
    app.include_router(feedback_routes.router)
    app.include_router(install_routes.router)
    app.include_router(model_routes.router)
    app.include_router(health.router)
    app.include_router(playground_routes.router)
    app.add_route("/openapi.json", openapi_route(app), include_in_schema=False)
    problems.install_handlers(app, on_malformed=lambda: state.totals.count("requests malformed"))
    app.include_router(
        admin_router(
            password=settings.resolve_admin_password(),
            sessions=lambda: state.database.session(),
            vocabulary=lambda: state.router.models.champion.known,
            rules=state.alert_rules,
            assumptions=Assumptions(settings.value_seconds_per_tag, settings.value_price_per_core_hour),
            on_refused=lambda client: state.refused_sign_ins.count(client),
        )
    )
    return app


def middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, the outermost first."""
    return [
        Middleware(RequestMetricsMiddleware),
        *([Middleware(tracing.TracingMiddleware)] if tracing.is_enabled() else []),
        *request_checks(
            allowed_hosts=frozenset(settings.allowed_hosts),
            rate_limit=settings.rate_limit,
            api_key=settings.api_key,
            body_limits={"/api/v1/suggestions/batch": BATCH_BODY_LIMIT},
            downloads=[model_routes.DEVICE_MODEL],
        ),
    ]


def openapi_route(app: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    """Return the route of the OpenAPI document; FastAPI's own would serialise it anew for each request."""
    document = cache(lambda: JSONResponse(app.openapi()).body)

    async def openapi(request: Request) -> Response:
        return Response(document(), media_type="application/json")

    return openapi


async def start(state: AppState, settings: Settings, stack: AsyncExitStack) -> None:
    """Start every part, and push onto ``stack`` how to stop it."""
    try:
        shipped = await asyncio.to_thread(load_warm, settings.model_folder)
    except ReleaseError as error:
        # A champion in the registry is not enough: this one stands in wherever the registry or the database fails.
        raise ReleaseError(f"{error} TAGALONG_MODEL_DIR names another one, as a version's folder.") from error
    embedded = None
    url = settings.database_url
    if not url:
        embedded = EmbeddedPostgres(settings.data_dir, port=settings.port)
        stack.push_async_callback(asyncio.to_thread, embedded.stop)
        url = await asyncio.to_thread(embedded.start)
    database = Database(url)
    stack.push_async_callback(database.close)
    totals, refused_sign_ins = Totals(database), RefusedSignIns(database)
    router = Router(shipped, database)
    loader = ModelLoader(router, settings.model_folder, database, settings.registry, replica_name(settings.port))
    hasher = AddressHasher(database, AddressLimits(settings.installs_per_address, settings.drafts_per_address))
    suggester = Suggester(
        router,
        database,
        totals,
        random_order_share=settings.random_order_share,
        hasher=hasher,
    )
    state.database, state.totals, state.refused_sign_ins = database, totals, refused_sign_ins
    state.router, state.loader, state.suggester, state.hasher = router, loader, suggester, hasher
    shipped_folders = [settings.model_folder, RELEASED / "light"]
    state.device_versions = DeviceVersions(database, shipped_folders, settings.registry)
    state.device_files = DeviceFiles(settings.device_files, shipped_folders, settings.registry)
    stack.callback(state.release_models)
    await migrate_or_note(state, url)
    # Before the first request, so that its writer gets what is deployed; later it is tried again.
    with suppress(DatabaseUnavailable):
        await loader.sync()
        await hasher.load_next_salts()
    for finish in (totals.flush, suggester.failures.flush, loader.deregister, refused_sign_ins.flush):
        stack.push_async_callback(finish)
    jobs: list[PeriodicJob] = [(partial(watch, state, url, embedded), WATCH_EVERY), *background_jobs(state, settings)]
    for work, every in jobs:
        stack.push_async_callback(cancel, asyncio.create_task(run_periodically(work, every)))


def background_jobs(state: AppState, settings: Settings) -> Iterator[PeriodicJob]:
    """Yield what is done while the application runs, and how often, in seconds."""
    database, suggester = state.database, state.suggester
    alerts = Alerts(
        database,
        state.alert_rules,
        make_channels(settings.smtp_url, settings.webhook_url),
        data_dir=settings.data_dir.expanduser(),
    )
    yield state.totals.flush, FLUSH_EVERY
    yield state.loader.sync, SYNC_EVERY
    yield state.device_versions.record_new_versions, FIND_EVERY
    yield suggester.failures.flush, FLUSH_EVERY
    yield suggester.shadows.work, FLUSH_EVERY
    yield state.hasher.load_next_salts, LOAD_SALTS_EVERY
    yield state.refused_sign_ins.flush, REFUSALS_EVERY
    yield partial(anonymise_questions, database), ANONYMISE_EVERY
    yield partial(refuse_unanswered_events, database), REFUSE_EVERY
    yield partial(roll_up_days, database), REFRESH_EVERY
    yield partial(delete_expired, database), DELETE_EXPIRED_EVERY
    yield RequestStatsWriter(database).flush, REQUEST_STATS_EVERY
    yield Experiments(database).evaluate, EVALUATE_EXPERIMENT_EVERY
    yield alerts.evaluate_due_rules, EVALUATE_EVERY
    yield alerts.notify, NOTIFY_EVERY


def replica_name(port: int) -> str:
    """Return what this process is called among the replicas."""
    return f"{socket.gethostname()}:{port}, process {os.getpid()}"


async def run_periodically(work: Callable[[], Awaitable[object]], every: float) -> None:
    """Run ``work`` at once and then every so many seconds, until cancelled; if it raises, it runs again next time."""
    while True:
        try:
            await work()
        except DatabaseAway:
            pass  # logged by the database
        except DatabaseBusy as error:
            log.warning("background work gave way, since %s; it is tried again in %g s", error, every)
        except Exception:
            log.exception("background work failed; it is tried again in %g s", every)
        await asyncio.sleep(every)


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def migrate_or_note(state: AppState, url: str) -> None:
    """Migrate the database, or note why that must wait."""
    try:
        await migrate(url)
    except DatabaseDamaged as error:
        state.not_migrated_because = f"The database is damaged: {error}. {REPAIR_ADVICE}"
        log.error("%s", state.not_migrated_because)
    except DatabaseAway:
        state.not_migrated_because = "The database has not been reached yet; trying again."
        log.error("the database can't be reached: suggestions go on, and nothing is recorded until it is back")
    except (NewerSchema, MayNotMigrate) as error:
        state.not_migrated_because = str(error)
        log.error("%s", error)
    else:
        state.migrated = True


async def watch(state: AppState, url: str, embedded: EmbeddedPostgres | None) -> None:
    """Ping the database: restart the embedded one if it has died, and migrate what could not be reached before."""
    if not await state.database.ping() and embedded is not None:
        await asyncio.to_thread(embedded.ensure_running)
    if not state.migrated:
        await migrate_or_note(state, url)
