"""Settings of this machine and this run, all from the environment (`IPSKA_*`).

What decides a *result* (floors, shares, scopes) is not here: it is a row of seeds/rule.csv, so
that it is reviewed, hashed into every build and printed with every release.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

RULES = ("seeds", "expectations", "warehouse")  # the trees that decide a result
ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One value per `IPSKA_<NAME>`; relative paths are taken from the working directory."""

    model_config = SettingsConfigDict(env_prefix="IPSKA_", extra="ignore", frozen=True)

    home: Path = Field(Path("data"), description="data root; a local POSIX disk")
    deliveries: Path = Field(Path("deliveries"), description="folder {deliveries} in feeds.toml")
    seeds: Path = ROOT / "seeds"
    feeds: Path | None = Field(None, description="feeds file; default seeds/feeds.toml")
    expectations: Path = ROOT / "expectations"
    warehouse: Path = ROOT / "warehouse"
    boundaries: Path | None = Field(None, description="GeoJSON or TopoJSON by BPS code for the map")

    deadline: time = Field(time(6), description="until when the night's release is due, local time")
    months_back: int = Field(
        3, ge=0, le=1200, description="months before the newest expected one pulled nightly"
    )
    memory_limit: str = Field("2GB", description="DuckDB's memory; work beyond it spills to disk")
    threads: int | None = Field(None, description="DuckDB's threads; default: all cores")
    max_file_mb: int = Field(2048, description="a larger delivery is refused unread")
    max_unpacked_mb: int = Field(4096, description="one that unpacks to more is refused")
    max_ratio: int = Field(200, description="one that unpacks to so many times its size is refused")
    max_rows: int = Field(5_000_000, description="records in one delivery")
    max_columns: int = Field(1_000, description="columns in one delivery")
    max_cell_chars: int = Field(100_000, description="characters in one field")
    reader_memory_mb: int = Field(2048, description="for the process that reads a workbook or JSON")
    reader_timeout_s: float = Field(600.0, description="how long that process may take")
    fetch_threads: int = 8
    fetch_retries: int = 3
    fetch_timeout_s: float = 60.0
    fetch_backoff_s: float = Field(1.0, description="first pause between retries; doubles")
    lock_timeout_s: float = Field(120.0, description="how long publish waits for another publish")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    increments: int = Field(
        30, ge=0, description="builds on top of one another before one is made from nothing"
    )
    keep_builds: int = Field(2, ge=1, description="builds that prune keeps, besides those in use")
    keep_releases: int = Field(30, ge=1, description="releases of each audience that it keeps")

    @property
    def feeds_file(self) -> Path:
        return self.feeds or self.seeds / "feeds.toml"


def airflow_connection(name: str) -> str | None:
    """A connection as Airflow's environment variables hold it, so that both share one format."""
    return os.environ.get(f"AIRFLOW_CONN_{name.upper()}")


def environment_of(rules: Path) -> dict[str, str]:
    """The environment of a process that works under rules kept in rules/<sha>."""
    trees = {f"IPSKA_{name.upper()}": str(rules / name) for name in RULES}
    return {**os.environ, **trees}


@contextmanager
def working_in(home: Path) -> Iterator[None]:
    """Work on another data root meanwhile; child processes too."""
    before = os.environ.get("IPSKA_HOME")
    os.environ["IPSKA_HOME"] = str(home)
    settings.cache_clear()
    try:
        yield
    finally:
        del os.environ["IPSKA_HOME"]
        if before is not None:
            os.environ["IPSKA_HOME"] = before
        settings.cache_clear()


@cache
def settings() -> Settings:
    """Read the environment once per process; tests clear it with `settings.cache_clear()`."""
    return Settings()  # type: ignore[call-arg]
