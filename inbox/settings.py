"""Every setting, typed, read once: by main and cli, nobody else."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from inbox.store.engine import is_shared, spelled_out

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MIN_SECRET = 32  # characters


class Settings(BaseSettings):
    """Set by environment variables named RAPPORT_<NAME>. Unsafe combinations refuse to boot."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="forbid")

    data_dir: Path = Field(default=Path(".data"), description="Where the database, files, secret and lock live.")
    database_url: str = Field(
        default="",
        repr=False,
        description="`sqlite:///…` or `postgresql+psycopg://…`; empty is SQLite in the data folder.",
    )
    redis_url: str = Field(default="", repr=False, description="The bell between processes; needs PostgreSQL.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    app_origin: str = Field(default="", description="Where agents open the desk: scheme, host, port.")
    widget_origin: str = Field(default="", description="Where the widget's frame is served; may be a name of its own.")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Networks (CIDR, with commas between) whose X-Forwarded-* headers are believed.",
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="What Prometheus sends as Bearer to read /metrics; empty answers this machine alone.",
    )
    shared_files: bool = Field(
        default=False, description="The data folder's files are storage that every host sees; for several hosts."
    )
    secret: SecretStr = Field(
        default=SecretStr(""), description="Signs visitor tokens; empty is a file made in the data folder."
    )
    demo: bool = Field(default=False, description="One-click sign-in and a seeded workspace; loopback only.")
    allow_http: bool = Field(default=False, description="Serve plain http under a public name (tests behind a VPN).")
    log_format: str = Field(default="console", pattern="^(console|json)$", description="`console` or `json`.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged.")
    visitor_frames_per_second: int = Field(
        default=20, ge=1, description="Frames a visitor's socket may send in a second before it is closed."
    )
    graceful_seconds: int = Field(default=10, ge=1, le=15, description="Longest wait for open requests at SIGTERM.")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        networks = value.replace(",", " ").split() if isinstance(value, str) else value
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @field_validator("database_url")
    @classmethod
    def _spelled_out(cls, value: str) -> str:
        return spelled_out(value) if value else ""

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        if self.redis_url and not is_shared(self.url):
            raise ValueError("RAPPORT_REDIS_URL needs PostgreSQL: several processes cannot write one SQLite file.")
        if 0 < len(self.secret.get_secret_value()) < MIN_SECRET:
            raise ValueError(f"RAPPORT_SECRET is too short: use at least {MIN_SECRET} characters.")
        for origin in (self.desk_origin, self.frame_origin):
            self._check_origin(origin)
        is_open = self.host not in LOOPBACK_NAMES
        if self.demo and (is_open or urlsplit(self.desk_origin).hostname not in LOOPBACK_NAMES):
            raise ValueError("Demo mode signs anybody in with one click, so it listens on 127.0.0.1 only.")
        if is_open and not self.app_origin:
            raise ValueError(
                f"{self.host} is open to others: say where agents open the desk, RAPPORT_APP_ORIGIN=https://desk.example.com"
            )
        return self

    def _check_origin(self, origin: str) -> None:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin!r} is no origin: write it as https://desk.example.com")
        if parts.scheme == "http" and not self.allow_http and parts.hostname not in LOOPBACK_NAMES:
            raise ValueError(f"{origin} is plain http: put TLS in front and use https, or set RAPPORT_ALLOW_HTTP=true.")

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
        """The signing secret; made once as a file only the owner can read. Raises: RuntimeError when that file is damaged."""
        if given := self.secret.get_secret_value():
            return given.encode()
        path = self.data_dir / "secret"
        if not path.exists():
            _make_secret(path)
        found = path.read_bytes().strip()
        if len(found) < MIN_SECRET:
            # An empty key would let anybody sign tokens.
            raise RuntimeError(f"{path} is damaged. Restore it from a backup, or delete it: visitors then begin anew.")
        return found

    def shown(self) -> dict[str, Any]:
        """What is set, with secrets masked, for `inbox doctor`."""
        values = self.model_dump()
        values["secret"] = "set" if self.secret.get_secret_value() else "from file"
        values["metrics_token"] = "set" if self.metrics_token.get_secret_value() else ""
        for name in ("database_url", "redis_url"):
            values[name] = re.sub(r"(?<=://)([^/:@]*):[^/]*@", r"\1:…@", str(values[name]))
        return values


def unknown_names() -> list[str]:
    """Variables that look like settings and are none: a typo would silently mean the default."""
    known = {f"RAPPORT_{name}".upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith("RAPPORT_") and name.upper() not in known)


def _make_secret(path: Path) -> None:
    """Whole or not at all, and only once, even if two processes start together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"secret.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    part.unlink()
