"""Settings: unsafe combinations refuse to boot with a sentence that names the fix, and secrets are never shown."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inbox.settings import Settings, unknown_names

PUBLIC = {"host": "0.0.0.0", "app_origin": "https://desk.example.com"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"redis_url": "redis://127.0.0.1"}, "needs PostgreSQL"),
    ({"host": "0.0.0.0"}, "RAPPORT_APP_ORIGIN"),
    ({"app_origin": "http://desk.example.com"}, "RAPPORT_ALLOW_HTTP"),
    ({"widget_origin": "http://chat.example.com"}, "RAPPORT_ALLOW_HTTP"),
    ({"app_origin": "desk.example.com"}, "no origin"),
    ({"app_origin": "https://desk.example.com/path"}, "no origin"),
    ({"app_origin": "https://desk.example.com?x"}, "no origin"),
    ({"demo": True, **PUBLIC}, "127.0.0.1 only"),
    ({"demo": True, "app_origin": "https://desk.example.com"}, "127.0.0.1 only"),
    ({"secret": "short"}, "at least 32"),
    ({"database_url": "mysql://root@localhost/x"}, "Write it as"),
    ({"trusted_proxies": "10.0.0.0/8, nonsense"}, "nonsense"),
    ({"graceful_seconds": 60}, "less than or equal to 15"),
    ({"log_format": "xml"}, "json"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_an_unsafe_combination_says_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        PUBLIC,
        {"app_origin": "http://desk.lan", "allow_http": True},
        {"demo": True, "app_origin": "http://localhost:8000"},
        {"redis_url": "redis://127.0.0.1", "database_url": "postgres://rapport@db/rapport"},
        {"app_origin": "https://desk.example.com/"},
    ],
)
def test_what_is_safe_boots(given: dict[str, Any]) -> None:
    Settings(**given)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "postgres://rapport@db/rapport")
    monkeypatch.setenv("RAPPORT_PROT", "9000")
    settings = Settings()
    assert settings.trusted_proxies == ["10.0.0.0/8", "127.0.0.1"]
    assert settings.url == "postgresql+psycopg://rapport@db/rapport"
    assert unknown_names() == ["RAPPORT_PROT"]


def test_no_secret_is_shown_or_printed() -> None:
    settings = Settings(
        secret="s" * 40,
        metrics_token="m" * 40,
        database_url="postgresql://rapport:hunter2@db/rapport",
        redis_url="redis://:hunter2@cache/0",
    )
    shown = f"{settings.shown()} {settings!r} {settings}"
    for secret in ("s" * 40, "m" * 40, "hunter2"):
        assert secret not in shown
    assert "rapport:…@db" in settings.shown()["database_url"]


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: Settings(data_dir=tmp_path / "data").secret_bytes(), range(16)))
    assert found == {settings.secret_bytes()}
    assert len(settings.secret_bytes()) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "data") == ["secret"]


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(RuntimeError, match="damaged"):
        Settings(data_dir=tmp_path).secret_bytes()
