"""What is more than DuckDB's memory goes to disk, and comes back as it was."""

from pathlib import Path

import pytest

from pipeline import duck
from pipeline.settings import settings

MUCH = "SELECT range AS n, md5(range::VARCHAR) AS text FROM range(1_500_000)"


def test_two_databases_that_spill_do_not_read_each_other(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB gives its files the same names in each: in one folder, pages were mixed up."""
    monkeypatch.setenv("IPSKA_MEMORY_LIMIT", "60MB")
    monkeypatch.setenv("IPSKA_THREADS", "1")
    settings.cache_clear()
    work = data_root / "data" / "work"
    work.mkdir(parents=True)
    with duck.connect() as one, duck.connect() as other:
        one.execute(f"CREATE TABLE much AS {MUCH}")
        other.execute(f"CREATE TABLE much AS SELECT -n AS n, reverse(text) AS text FROM ({MUCH})")
        assert len(list(work.glob("spill-*/*"))) > 1
        assert len(list(work.glob("spill-*"))) == 2
        query = "SELECT sum(n), count(DISTINCT text), min(text) FROM much"
        first, second = one.execute(query).fetchall()[0], other.execute(query).fetchall()[0]
    assert first[:2] == (-second[0], second[1]) == (1_124_999_250_000, 1_500_000)
    assert list(work.glob("spill-*")) == []
