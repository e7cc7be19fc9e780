"""Every setting, typed, read once: by main and cli, nobody else."""

from __future__ import annotations

import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from inbox.store.engine import is_shared

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Settings(BaseSettings):
    """Set by environment variables named RAPPORT_<NAME>. Unsafe combinations refuse to boot."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="forbid")

    data_dir: Path = Field(default=Path(".data"), description="Where the database, files, secret and lock live.")
    database_url: str = Field(
        default="",
        description="`sqlite:///…` or `postgresql+psycopg://…`; empty is SQLite in the data folder.",
    )
    redis_url: str = Field(default="", description="The bell between processes; needs PostgreSQL.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    app_origin: str = Field(default="", description="Where agents open the desk: scheme, host, port.")
    widget_origin: str = Field(default="", description="Where the widget's frame is served; may be a name of its own.")
    trusted_proxies: list[str] = Field(
        default_factory=list, description="Networks (CIDR) whose X-Forwarded-* headers are believed."
    )
    secret: SecretStr = Field(
        default=SecretStr(""), description="Signs visitor tokens; empty is a file made in the data folder."
    )
    demo: bool = Field(default=False, description="One-click sign-in and a seeded workspace; loopback only.")
    allow_http: bool = Field(default=False, description="Serve plain http under a public name (tests behind a VPN).")
    log_format: str = Field(default="console", pattern="^(console|json)$", description="`console` or `json`.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged.")
    graceful_seconds: int = Field(default=10, ge=1, le=15, description="Longest wait for open requests at SIGTERM.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        if self.redis_url and not is_shared(self.url):
            raise ValueError("RAPPORT_REDIS_URL needs PostgreSQL: several processes cannot write one SQLite file.")
        for origin in (self.desk_origin, self.frame_origin):
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
                raise ValueError(f"{origin!r} is no origin: write it as https://desk.example.com")
            if parts.scheme == "http" and not self.allow_http and parts.hostname not in LOOPBACK_NAMES:
                raise ValueError(
                    f"{origin} is plain http: put TLS in front and use https, or set RAPPORT_ALLOW_HTTP=true."
                )
        if self.demo and self.host not in LOOPBACK_NAMES:
            raise ValueError("Demo mode signs anybody in with one click, so it listens on 127.0.0.1 only.")
        return self

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'rapport.db').absolute()}"

    @property
    def desk_origin(self) -> str:
        return (self.app_origin or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def frame_origin(self) -> str:
        return (self.widget_origin or self.desk_origin).rstrip("/")

    @property
    def is_https(self) -> bool:
        return self.desk_origin.startswith("https:")

    def secret_bytes(self) -> bytes:
        """The signing secret; made once as a file only the owner can read."""
        given = self.secret.get_secret_value()
        if given:
            if len(given) < 32:
                raise ValueError("RAPPORT_SECRET is too short: use at least 32 characters.")
            return given.encode()
        path = self.data_dir / "secret"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        return path.read_bytes()

    def shown(self) -> dict[str, Any]:
        """What is set, with secrets masked, for `inbox doctor`."""
        values = self.model_dump()
        values["secret"] = "set" if self.secret.get_secret_value() else "from file"
        for name in ("database_url", "redis_url"):
            parts = urlsplit(str(values[name]))
            if parts.password:
                values[name] = str(values[name]).replace(parts.password, "…")
        return values
