"""The service's settings, all from environment variables that begin with TAGALONG_."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from backend.alerts.channels import email, webhook
from backend.alerts.rules import SHIPPED
from model.classifier import DEFAULT_TIER

RELEASED = Path(__file__).parent.parent / "model" / "released"


class Settings(BaseSettings):
    """What can be set from outside. ``TAGALONG_PORT=9000`` sets ``port``, and so on."""

    model_config = SettingsConfigDict(env_prefix="TAGALONG_", extra="ignore")

    database_url: str = Field("", description="A PostgreSQL server; empty: an embedded one in data_dir")
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
    rate_limit: int = Field(600, ge=0, description="Requests a minute and client; 0: no limit")
    api_key: str = Field("", description="If set, requests to /api need it as 'Authorization: Bearer …'")

    smtp_url: str = Field("", description="Where alerts are mailed: smtp://user:password@host:587/?from=…&to=…")
    webhook_url: str = Field("", description="Where alerts are posted as JSON")
    alert_rules: Path = Field(SHIPPED, description="The file with the rules of alerts")

    @field_validator("smtp_url")
    @classmethod
    def check_smtp_url(cls, url: str) -> str:
        """Refuse an address that no mail could be sent by."""
        if url:
            email(url)
        return url

    @field_validator("webhook_url")
    @classmethod
    def check_webhook_url(cls, url: str) -> str:
        """Refuse an address that nothing could be posted to."""
        if url:
            webhook(url)
        return url

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def split_hosts(cls, value: object) -> object:
        """Read ``a, b`` as two hosts."""
        if isinstance(value, str):
            return [host.strip().lower() for host in value.split(",") if host.strip()]
        return value

    @field_validator("database_url")
    @classmethod
    def name_driver(cls, url: str) -> str:
        """Take the URL as PostgreSQL's own tools write it, and name the driver for SQLAlchemy."""
        if not url:
            return url
        try:
            parts = make_url(url)
        except (ArgumentError, ValueError):
            parts = None
        if parts is None or parts.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
            raise ValueError("must be like postgresql://user:password@host:5432/database")
        if parts.port is not None and not 0 < parts.port < 65536:
            raise ValueError(f"{parts.port} is no port")
        # asyncpg knows what PostgreSQL's own tools call sslmode by another name.
        query = {("ssl" if name == "sslmode" else name): value for name, value in parts.query.items()}
        return parts.set(drivername="postgresql+asyncpg", query=query).render_as_string(hide_password=False)

    @property
    def model_folder(self) -> Path:
        """The folder of the model that is served."""
        return self.model_dir or RELEASED / self.model_tier

    def prepare_data_dir(self) -> Path:
        """Make the data folder, readable to its owner only, and return its absolute path."""
        folder = self.data_dir.expanduser().resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def resolve_admin_password(self) -> str:
        """The admin's password: as set, or made at the first call and kept in ``data_dir`` (mode 0600)."""
        if self.admin_password:
            return self.admin_password
        path = self.prepare_data_dir() / "admin-password"
        try:
            # O_EXCL: of two first starts at once, one makes the file and the other reads it.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with open(descriptor, "w") as file:
            password = secrets.token_urlsafe(12)
            file.write(password + "\n")
        return password
