"""`serve`: run the service until it is stopped."""

import gc
import logging
import socket
from pathlib import Path
from typing import cast

import click
import uvicorn
from fastapi import FastAPI

from backend.alerts.rules import RulesError
from backend.app import create_app
from backend.commands.terminal import read_settings
from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.service import EmbeddedPostgres
from backend.settings import Settings
from backend.state import AppState
from backend.web import logs
from backend.web.server import BoundedHttpProtocol, Server

EXTENSION = Path(__file__).parent.parent.parent / "extension"


@click.command()
def serve() -> None:
    """Run the service until it is stopped (SIGTERM or SIGINT)."""
    settings = read_settings()
    if not settings.database_url:
        try:
            EmbeddedPostgres(settings.data_dir).ensure_free()
        except EmbeddedFailure as error:
            raise click.ClickException(str(error)) from None
    listening = listen(settings.host, settings.port)
    port = listening.getsockname()[1]

    def announce(app: FastAPI) -> None:
        # What has been loaded stays: otherwise every large page would make the collector traverse it all several times.
        gc.collect()
        gc.freeze()
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"\n{greeting(f'http://{shown}:{port}', settings)}\n")

    try:
        app = create_app(settings.model_copy(update={"port": port}), on_ready=announce)
    except RulesError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"can't use the data folder {settings.data_dir}: {error.strerror}. TAGALONG_DATA_DIR names another."
        ) from None
    state = cast(AppState, app.state)
    logs.configure(settings.log_format, settings.log_level)
    # uvicorn would log a failed start as a traceback; the message is shown instead.
    logging.getLogger("uvicorn.error").addFilter(lambda record: state.failure is None)
    server = Server(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=settings.forwarded_allow_ips,
            ws="none",
            server_header=False,
            # Longer than clients and proxies keep an idle connection, so that none is closed as they write to it.
            timeout_keep_alive=20,
            timeout_graceful_shutdown=10,
        ),
        drain_seconds=settings.drain_seconds,
        on_drain=state.drain,
    )
    try:
        server.run(sockets=[listening])
    except SystemExit:
        if state.failure is None:
            raise
        raise click.ClickException(str(state.failure)) from None


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, bound before anything is started, so that a taken port is known at once."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From now on clients wait until the service has started, rather than being refused.
        listening.listen(1024)
    except OSError as error:
        raise click.ClickException(
            f"can't listen on {host}:{port} ({error.strerror}). TAGALONG_HOST and TAGALONG_PORT set another address."
        ) from None
    return listening


def greeting(address: str, settings: Settings) -> str:
    """Return what to do now that the service runs, in three lines."""
    # A password that was set may be a hash, and does not belong in a log.
    password = (
        "the password as set"
        if settings.admin_password
        else f"password {settings.resolve_admin_password()} (kept in {settings.data_dir / 'admin-password'})"
    )
    # An installed package, as in the container's image, has no extension.
    extension = EXTENSION if EXTENSION.is_dir() else "the folder 'extension' of Tagalong's repository"
    return (
        f"Extension  load {extension} in Chrome (chrome://extensions, Developer mode, Load unpacked) or Firefox "
        "(about:debugging#/runtime/this-firefox, Load Temporary Add-on)\n"
        f"Try it     {address}/\n"
        f"Admin      {address}/metrics, user admin, {password}"
    )
