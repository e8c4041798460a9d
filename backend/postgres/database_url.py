"""The database's URL as libpq takes it, for asyncpg and SQLAlchemy.

`normalize` refuses or leaves out what asyncpg can't do. From then on the URL has SQLAlchemy's driver name, and its
query holds libpq's parameters, which asyncpg reads.
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVER = "postgresql+asyncpg"
EXAMPLE = "must be like postgresql://user:password@host:5432/database"
INVALID_PORT = "has a port that is no number from 1 to 65535; in a password, / ? # @ are written %2F %3F %23 %40"

# Up to the password, and the password, as SQLAlchemy reads it: with all but an @ in it.
LOGIN = re.compile(r"([a-z+]+://[^:/?#@\[]*:)(?!\d*(?:/[^@?]*)?\?)([^@]*)@")

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SSL_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SESSION_ATTRS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")

# What asyncpg reads from a DSN itself. `options` and `application_name` go to the server as they are.
PASSED_ON = frozenset(
    {
        *SSL_FILES,
        "application_name",
        "connect_timeout",
        "gsslib",
        "krbsrvname",
        "options",
        "passfile",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslmode",
        "sslnegotiation",
        "target_session_attrs",
    }
)

# Parameters that asyncpg does not know, and the values that change nothing; None is any value.
IGNORED: Mapping[str, frozenset[str] | None] = {
    # Timeouts find every dead connection.
    "keepalives": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "keepalives_count": None,
    "tcp_user_timeout": None,
    # asyncpg tries the hosts in their order, and always speaks UTF-8.
    "load_balance_hosts": None,
    "client_encoding": frozenset({"utf8", "utf-8", "unicode", "auto"}),
    # A certificate proves more about the server than channel binding; without one, binding proves nothing either.
    "channel_binding": None,
    "gssdelegation": frozenset({"0"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "requiressl": frozenset({"0"}),
    "sslcertmode": frozenset({"allow", "disable"}),
    "sslcompression": frozenset({"0"}),
    "sslsni": frozenset({"1"}),
}

CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": SSL_MODES,
    "ssl_min_protocol_version": TLS_VERSIONS,
    "ssl_max_protocol_version": TLS_VERSIONS,
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": SESSION_ATTRS,
    "gsslib": ("gssapi", "sspi"),
}


def normalize(url: str) -> str:
    """Return a URL as libpq takes it in SQLAlchemy's form, with several hosts and sockets in its query.

    Raises:
        ValueError: it can't be used; the message names the parameter, and never holds the password.
    """
    url = LOGIN.sub(lambda match: f"{match[1]}{quote(match[2], safe='%')}@", url, count=1)
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(EXAMPLE) from None
    if parts.scheme not in ("postgres", "postgresql", DRIVER) or not url.partition(":")[2].startswith("//"):
        raise ValueError(EXAMPLE)
    query = dict(pairs)
    if repeated := {name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1}:
        raise ValueError(f"has {min(repeated)[:40]} more than once; keep one")
    user, password, hosts, ports, database = read_place(parts, query)
    check_parameters(query)
    if len(hosts) > 1 or any(host.startswith(("/", "@")) for host in hosts):
        query |= {"host": ",".join(hosts), "port": ",".join(ports)}
        hosts, ports = [], []
    return URL.create(
        DRIVER,
        user or None,
        password or None,
        hosts[0] if hosts else None,
        int(ports[0]) if ports else None,
        database or None,
        {name: query[name] for name in sorted(query)},
    ).render_as_string(hide_password=False)


def read_place(parts: SplitResult, query: dict[str, str]) -> tuple[str, str, list[str], list[str], str]:
    """Return user, password, hosts, their ports and the database; those in the query win, and are taken out of it."""
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    pairs = [read_host(entry) for entry in place.split(",")] if place else []
    hosts, ports = [host for host, _ in pairs], [port for _, port in pairs]
    if named := query.pop("host", ""):
        hosts, ports = named.split(","), ports if len(ports) == len(named.split(",")) else []
    if named := query.pop("port", ""):
        ports = named.split(",")
    if len(ports) == 1 or not ports:
        ports = (ports or ["5432"]) * len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(f"names {len(hosts)} hosts and {len(ports)} ports")
    if not all(is_host(host) for host in hosts):
        raise ValueError("has a host that is neither a name, an address nor a socket's folder")
    for port in ports:
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(INVALID_PORT)
    database = query.pop("dbname", query.pop("database", unquote(parts.path.removeprefix("/"))))
    return query.pop("user", unquote(user)), query.pop("password", unquote(password)), hosts, ports, database


def read_host(entry: str) -> tuple[str, str]:
    """Return the name and the port of one host of a URL."""
    bracketed, bracket, rest = entry.rpartition("]")
    name, _, port = rest.partition(":")
    if bracket:
        name = bracketed.removeprefix("[")
    return unquote(name), port or "5432"


def is_host(host: str) -> bool:
    """Return whether asyncpg could look up a host, or it is a socket's folder."""
    if host.startswith(("/", "@")):
        return True
    try:
        return bool(host.encode("idna")) and not re.search(r"[\s/@]", host)
    except UnicodeError:
        return False


def check_parameters(query: dict[str, str]) -> None:
    """Remove the parameters that asyncpg does not know.

    Raises:
        ValueError: one is not supported, or has an invalid value; it is named.
    """
    if "ssl" in query:  # asyncpg's own name for it
        query.setdefault("sslmode", query.pop("ssl"))
    if query.get("sslrootcert") == "system":  # as libpq has it
        query["sslmode"] = "verify-full"
    if "fallback_application_name" in query:
        query.setdefault("application_name", query.pop("fallback_application_name"))
    for name, value in list(query.items()):
        if name in IGNORED:
            values = IGNORED[name]
            if values is not None and value.lower() not in values:
                raise ValueError(
                    f"has {name}={value[:40]}, which asyncpg can't do; leave it out, or write {min(values)}"
                )
            del query[name]
        elif name not in PASSED_ON:
            raise ValueError(f"has the parameter {name[:40]!r}, which Tagalong does not support; leave it out")
        elif name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"has a {name} that is none of {', '.join(CHOICES[name])}")
    if not query.get("connect_timeout", "0").removeprefix("-").isdecimal():
        raise ValueError("has a connect_timeout that is not a number of seconds")
    check_certificates(query)


def check_certificates(query: Mapping[str, str]) -> None:
    """Raise ValueError if a file that TLS needs is missing or invalid."""
    files = {name: Path(query[name]).expanduser() for name in SSL_FILES if query.get(name, "system") != "system"}
    for name, path in files.items():
        try:
            path.read_bytes()
        except OSError as error:
            raise ValueError(f"has {name}={path}, which can't be read: {error.strerror}") from None
    context = ssl.create_default_context()
    try:
        if "sslrootcert" in files:
            context.load_verify_locations(files["sslrootcert"])
        if "sslcert" in files:
            context.load_cert_chain(files["sslcert"], files.get("sslkey"), password=lambda: "")
    except (ssl.SSLError, OSError, ValueError):
        raise ValueError("has an sslrootcert, sslcert or sslkey that is no certificate or key in PEM") from None
    trusted = "sslrootcert" in query or Path("~/.postgresql/root.crt").expanduser().is_file()
    if query.get("sslmode", "").startswith("verify") and not trusted:
        raise ValueError("has sslmode=verify-… and nothing to verify against; add sslrootcert=system, or a file's path")


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect` besides user, password, host, port and database of a normalized URL."""
    query = {name: str(value) for name, value in url.query.items()}
    arguments: dict[str, Any] = {}
    seconds = int(query.pop("connect_timeout", "0"))
    if seconds > 0:
        arguments["timeout"] = seconds
    if query.get("sslrootcert") == "system":
        del query["sslrootcert"], query["sslmode"]
        arguments["ssl"] = True
    return arguments | ({"dsn": f"postgresql://?{urlencode(query)}"} if query else {})


def create_engine(url: str, *, connect_args: Mapping[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """Return SQLAlchemy's engine for a URL, whose parameters win over ``connect_args``."""
    parts = make_url(normalize(url))
    arguments = {**(connect_args or {}), **connect_arguments(parts)}
    # An error must not carry the values of rows.
    return create_async_engine(parts.set(query={}), connect_args=arguments, hide_parameters=True, **options)


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Return a connection of asyncpg's own for a URL."""
    parts = make_url(normalize(url))
    arguments = {**parts.translate_connect_args(username="user"), **options, **connect_arguments(parts)}
    return await asyncpg.connect(**arguments)
