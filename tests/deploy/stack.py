"""The stack of docker-compose.yml as processes of this machine: PostgreSQL on TCP, replicas, Caddy in front."""

import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.postgres.embedded.account import Account, choose_account, grant_access
from backend.postgres.embedded.cluster import Cluster
from backend.postgres.embedded.programs import program
from tests.end_to_end.process import ROOT, SERVER, free_port

PASSWORD = "a password / with : all @ kinds & ünïcode"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server with a password on a port of 127.0.0.1, made as the container's image makes it; its URL."""
    data = folder / "server"
    account: Account = choose_account(data)
    data.mkdir()
    os.chown(data, account.uid, account.gid)
    grant_access(account, data)
    secret = data.with_suffix(".password")
    secret.write_text(PASSWORD)
    os.chown(secret, account.uid, account.gid)
    cluster = Cluster(data, account, folder / "server.log")
    made = ["-D", str(data), "-U", "tagalong", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"]
    cluster.run("initdb", *made, "--no-sync", "--no-instructions")
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "jit": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [program("postgres"), "-D", str(data), "-p", port, *options],
            **account.popen_arguments(),
            cwd="/",
            stdout=log,
            stderr=log,
        )
    try:
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        create = [program("createdb"), "--host=127.0.0.1", f"--port={port}", "--username=tagalong", "tagalong"]
        until(lambda: subprocess.run(create, env=environment, capture_output=True).returncode == 0)
        yield f"postgresql://tagalong@127.0.0.1:{port}/tagalong"
    finally:
        server.send_signal(signal.SIGINT)  # cut off whoever is still connected
        server.wait(30)


def settings(folder: Path, database: str) -> dict[str, str]:
    """A replica's environment, as docker-compose.yml has it, with the addresses of this machine."""
    secret = folder / "database-password"
    secret.write_text(PASSWORD + "\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TAGALONG_")}
    return clean | {
        "TAGALONG_DATABASE_URL": database,
        "TAGALONG_DATABASE_PASSWORD_FILE": str(secret),
        "TAGALONG_ADMIN_PASSWORD": "correct horse battery",
        "TAGALONG_DATA_DIR": str(folder),
        "TAGALONG_FORWARDED_ALLOW_IPS": "127.0.0.1",
        "TAGALONG_MODEL_TIER": "light",
        "TAGALONG_RATE_LIMIT": "0",
        "TAGALONG_INSTALLS_PER_ADDRESS": "0",
        "TAGALONG_DRAFTS_PER_ADDRESS": "0",
        "TAGALONG_DRAIN_SECONDS": "4",
    }


@dataclass
class Replica:
    """A process that serves on a port, and the command that started it."""

    process: subprocess.Popen[bytes]
    port: str


def start_replica(environment: dict[str, str], port: str, *, command: Sequence[str] = (SERVER, "serve")) -> Replica:
    """Start a replica; `wait_ready` waits for it."""
    with (Path(environment["TAGALONG_DATA_DIR"]) / f"replica-{port}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment | {"TAGALONG_PORT": port}, stdout=log, stderr=log)
    return Replica(process, port)


def wait_ready(replica: Replica) -> None:
    """Return when a replica says that it is ready."""

    def ready() -> bool:
        assert replica.process.poll() is None, "the replica ended"
        with urllib.request.urlopen(f"http://127.0.0.1:{replica.port}/health/ready", timeout=10) as answer:
            return bool(answer.status == 200)

    until(ready)


@dataclass
class Proxy:
    """A running Caddy: its address, and what trusts its certificate."""

    address: str
    http_port: str
    trust: ssl.SSLContext


@contextmanager
def caddy(folder: Path, ports: Sequence[str]) -> Iterator[Proxy]:
    """Caddy with the file that ships, in front of replicas on these ports."""
    program = shutil.which("caddy")
    if program is None:
        pytest.fail("Caddy is not installed. On Debian: apt-get install caddy; `sh tests/install_programs.sh` does it.")
    http, https = free_port(), free_port()
    environment = os.environ | {
        "SITE": "localhost",
        "UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in ports),
        "HTTP_PORT": http,
        "HTTPS_PORT": https,
        "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
        "XDG_DATA_HOME": str(folder / "caddy"),
        "XDG_CONFIG_HOME": str(folder / "caddy"),
    }
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "run", "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    certificate = folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    address = f"https://localhost:{https}"
    try:
        until(lambda: certificate.exists() and ssl.create_default_context(cafile=str(certificate)) is not None)
        trust = ssl.create_default_context(cafile=str(certificate))

        def answers() -> bool:
            with urllib.request.urlopen(f"{address}/health/ready", context=trust, timeout=10) as answer:
                return bool(answer.status == 200)

        until(answers)
        yield Proxy(address, http, trust)
    finally:
        process.terminate()
        process.wait(60)


def until(attempt: Callable[[], object], *, within: float = 120) -> None:
    """Try until it succeeds; an error of the network or of TLS means not yet."""
    end = time.monotonic() + within
    while True:
        try:
            if attempt():
                return
        except (OSError, urllib.error.URLError):
            pass
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)
