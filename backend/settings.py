"""The service's settings, all from environment variables that begin with TAGALONG_, or from files that those name."""

import os
import re
import secrets
import tempfile
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from sqlalchemy import make_url

from backend.alerts.channels import email_channel, webhook_channel
from backend.alerts.rules import SHIPPED
from backend.postgres.database_url import normalize
from backend.web.logs import Form, Level
from backend.web.middleware import parse_hostname
from model.serving import DEFAULT_TIER

RELEASED = Path(__file__).parent.parent / "model" / "released"

PREFIX = "TAGALONG_"

# The length of a password that the service has made, at least. Characters.
MIN_PASSWORD_LENGTH = 16

# Prefix of the admin's password where its hash is set instead.
ARGON2_PREFIX = "$argon2id$"


class FileSettingsSource(PydanticBaseSettingsSource):
    """Settings read from files, as containers get their secrets: ``TAGALONG_API_KEY_FILE=/run/key``.

    Raises:
        SettingsError: a file can't be read, or a setting is given both ways.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's text without the newline that editors add; None if no file is named."""
        variable = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsError(f"{variable}: given both as itself and as {variable}_FILE; leave one out")
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE: can't read {path}: {error}") from None

    def __call__(self) -> dict[str, Any]:
        """Return all values that are in files."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class Settings(BaseSettings):
    """The settings; ``TAGALONG_PORT=9000`` sets ``port``, and so on.

    Each can be read from a file too, which ``TAGALONG_PORT_FILE`` names.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    database_url: str = Field("", description="A PostgreSQL server; empty: an embedded one in data_dir")
    database_password: str = Field("", description="The password for database_url, where that has none")
    data_dir: Path = Field(Path(".tagalong"), description="Embedded database, admin password; mode 0700")
    host: str = "127.0.0.1"
    port: int = Field(8600, ge=0, le=65535, description="0: any free port")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        ["127.0.0.1", "localhost", "::1"],
        description="Values of the Host header that are served, comma-separated; '*' serves all",
    )
    forwarded_allow_ips: str = Field(
        "", description="Proxies whose X-Forwarded-For is believed, comma-separated; empty: nobody's"
    )
    admin_password: str = Field("", description="Empty: made once and kept in data_dir")
    model_tier: Literal["full", "light"] = Field(
        DEFAULT_TIER, description="Which shipped model is served: with a sentence encoder, or small and fast"
    )
    model_dir: Path | None = Field(None, description="The folder of another released model; wins over model_tier")
    models_dir: Path | None = Field(None, description="The registry of trained versions; empty: models in data_dir")
    random_order_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Share of drafts whose chips are in random order, to measure what position does",
    )
    rate_limit: int = Field(600, ge=0, description="Requests a minute and client; 0: no limit")
    installs_per_address: int = Field(
        200, ge=0, description="New installs a day of one address that are recorded; 0: no limit"
    )
    drafts_per_address: int = Field(
        5000, ge=0, description="New drafts a day of one address that are recorded; 0: no limit"
    )
    api_key: str = Field("", description="If set, requests to /api need it as 'Authorization: Bearer …'")
    drain_seconds: float = Field(
        0, ge=0, le=300, description="After SIGTERM: how long to go on serving while readiness says no"
    )

    log_format: Form = Field("auto", description="text, json, or auto: text at a terminal, else JSON")
    log_level: Level = Field("auto", description="The lowest level that is logged; auto: info in JSON, warning in text")

    smtp_url: str = Field("", description="Where alerts are mailed: smtp://user:password@host:587/?from=…&to=…")
    webhook_url: str = Field("", description="Where alerts are posted as JSON")
    alert_rules: Path = Field(SHIPPED, description="The file with the rules of alerts")
    value_seconds_per_tag: float = Field(
        4.0, ge=0, le=600, description="What a clicked tag saves a writer, as the estimate on /metrics assumes"
    )
    value_price_per_core_hour: float = Field(
        0.04, ge=0, le=1000, description="US dollars for an hour of a core, as the estimate on /metrics assumes"
    )

    @field_validator("*", mode="before")
    @classmethod
    def check_encoding(cls, value: object) -> object:
        """Refuse bytes that are not UTF-8, which Python reads from the environment as lone surrogates."""
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("is not written in UTF-8")
        return value

    @field_validator("admin_password")
    @classmethod
    def check_admin_password(cls, password: str) -> str:
        """Refuse a hash that no password could ever match, such as one whose ``$`` parts a shell has expanded."""
        if password.startswith("$argon2"):
            try:
                whole = password.startswith(ARGON2_PREFIX) and extract_parameters(password)
            except InvalidHashError:
                whole = None
            if not whole:
                raise ValueError("is no whole argon2id hash; `tagalong-server hash-password` prints one")
        return password

    @field_validator("api_key")
    @classmethod
    def check_api_key(cls, key: str) -> str:
        """Refuse a key that no header can carry: browsers send other characters as Latin-1, as UTF-8, or not at all."""
        if not re.fullmatch(r"([!-~]+( +[!-~]+)*)?", key):
            raise ValueError("may have ASCII letters, digits and punctuation only, since it is sent in a header")
        return key

    @field_validator("smtp_url")
    @classmethod
    def check_smtp_url(cls, url: str) -> str:
        """Refuse a URL that no mail can be sent to."""
        if url:
            email_channel(url)
        return url

    @field_validator("webhook_url")
    @classmethod
    def check_webhook_url(cls, url: str) -> str:
        """Refuse a URL that nothing can be posted to."""
        if url:
            webhook_channel(url)
        return url

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def split_hosts(cls, value: object) -> object:
        """Read ``a, b`` as two hosts."""
        if isinstance(value, str):
            return [host.strip().lower() for host in value.split(",") if host.strip()]
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def check_hosts(cls, hosts: list[str]) -> list[str]:
        """Refuse what no Host header can ever match: every request would be refused."""
        for host in hosts:
            parsed = parse_hostname(f"[{host}]" if host.count(":") > 1 else host)
            if host != "*" and (parsed != host or "*" in host):
                raise ValueError(f"{host!r} is no host name: write it without scheme, port or *, as tags.example.org")
        if not hosts:
            raise ValueError("names no host, so nobody could reach the service; leave it out for this machine only")
        return hosts

    @field_validator("forwarded_allow_ips")
    @classmethod
    def check_proxies(cls, proxies: str) -> str:
        """Refuse what is not an address: a proxy's name would never match, and all clients would count as one."""
        for proxy in map(str.strip, proxies.split(",")):
            if proxy not in ("", "*"):
                try:
                    ip_network(proxy)
                except ValueError as error:
                    raise ValueError(f"{error}: write addresses or networks, as 10.0.0.5 or 10.0.0.0/24") from None
        return proxies

    @field_validator("database_url")
    @classmethod
    def name_driver(cls, url: str) -> str:
        """Take the URL as PostgreSQL's own tools write it, and add SQLAlchemy's driver."""
        return normalize(url) if url else url

    @model_validator(mode="after")
    def add_password(self) -> Self:
        """Add the database's password to its URL."""
        if self.database_password and self.database_url:
            url = make_url(self.database_url)
            if url.password:
                raise ValueError("TAGALONG_DATABASE_URL has a password already: leave out TAGALONG_DATABASE_PASSWORD")
            self.database_url = url.set(password=self.database_password).render_as_string(hide_password=False)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of values: arguments, then files that the environment names, then the environment."""
        return init_settings, FileSettingsSource(settings_cls), env_settings

    @property
    def model_folder(self) -> Path:
        """The folder of the shipped model, or of the one set instead."""
        return self.model_dir or RELEASED / self.model_tier

    @property
    def registry(self) -> Path:
        """The folder of numbered versions that can be deployed."""
        return (self.models_dir or self.data_dir / "models").expanduser()

    @property
    def device_files(self) -> Path:
        """The folder of the files that devices get, which can be made again at any time."""
        return self.data_dir.expanduser().resolve() / "device"

    def prepare_data_dir(self) -> Path:
        """Make the data folder, readable to its owner only, and return its absolute path."""
        folder = self.data_dir.expanduser().resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def resolve_admin_password(self) -> str:
        """Return the admin's password: as set, or made at the first call and kept in ``data_dir`` (mode 0600)."""
        if self.admin_password:
            return self.admin_password
        path = self.prepare_data_dir() / "admin-password"
        password = read_password(path)
        if not password:
            path.unlink(missing_ok=True)  # half a password, after a full disk or a crash
            write_atomically(path, secrets.token_urlsafe(12) + "\n")
            password = read_password(path)
        return password


def read_password(path: Path) -> str:
    """Return the password in a file, empty if there is no file or no whole password in it."""
    try:
        password = path.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return password if len(password) >= MIN_PASSWORD_LENGTH and password.isprintable() else ""


def write_atomically(path: Path, text: str) -> None:
    """Write a new file that only its owner can read, whole and on the disk or not at all.

    If two processes write it at once, the first one's stays.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
