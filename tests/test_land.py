"""Land: bytes kept as they came, for good; what is no delivery is refused and kept as evidence."""

import hashlib
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import land, settings, store
from pipeline.feeds import Feed, Slice
from pipeline.periods import Month
from pipeline.sources import SourceFile

SLICE = Slice("BGR", Month(2024, 9))
FEED = Feed("eska", "eska_v2", "{deliveries}/*", "snapshot", ("BGR",), Month(2021, 1))
NAME = "SINTETIS_BGR_2024-09_20241003T080000.csv"
NOON = datetime(2024, 10, 3, 12, tzinfo=UTC)
Arrive = Callable[..., SourceFile]


@pytest.fixture
def arrive(data_root: Path) -> Arrive:
    """Makes a fetched file, as extract leaves one."""
    folder = store.home() / "work" / "partial"
    folder.mkdir()

    def make(body: bytes = b"header\n", name: str = NAME, **facts: Any) -> SourceFile:
        path = folder / f"{len(list(folder.iterdir()))}-{hashlib.sha256(body).hexdigest()}"
        path.write_bytes(body)
        facts = {"source": f"{{deliveries}}/BGR/{name}", "token": "t", "size": len(body)} | facts
        return SourceFile(
            path=path, file_name=name, sha256=hashlib.sha256(body).hexdigest(), **facts
        )

    return make


def code(landing: store.Landing) -> str | None:
    refusal = landing.manifest["refusal"]
    return str(refusal["code"]) if refusal else None


def test_bytes_and_manifest_are_kept_as_they_came(arrive: Arrive) -> None:
    file = arrive(b"\xef\xbb\xbfa;b\r\n1;2\r\n")
    landing = land.land(FEED, SLICE, file, landed_at=NOON)
    assert landing.delivery_id == f"eska/BGR_2024-09/20241003T120000000000Z-{file.sha256[:8]}"
    assert landing.payload.read_bytes() == b"\xef\xbb\xbfa;b\r\n1;2\r\n"
    assert not file.path.exists()
    assert landing.manifest == {
        "source": f"{{deliveries}}/BGR/{NAME}",
        "size": 13,
        "sha256": file.sha256,
        "token": "t",
        "file_name": NAME,
        "extracted_at": "2024-10-03T01:00:00+00:00",
        "landed_at": "2024-10-03T12:00:00+00:00",
        "office": "BGR",
        "month": "2024-09",
        "last_month": "2024-09",
        "mode": "snapshot",
        "feed": "eska",
        "layout": "eska_v2",
        "refusal": None,
        "forced": False,
        "resubmits": None,
    }
    assert store.landings("eska", "BGR_2024-09") == [landing]


def test_nobody_may_write_and_others_may_not_read(arrive: Arrive) -> None:
    landing = land.land(FEED, SLICE, arrive())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in landing.folder.iterdir()}
    assert modes == {"payload": 0o400, "manifest.json": 0o400}
    assert stat.S_IMODE(landing.folder.stat().st_mode) == 0o700


def test_a_header_with_no_rows_is_no_refusal(arrive: Arrive) -> None:
    assert code(land.land(FEED, SLICE, arrive(b"no_ska;status_pengajuan"))) is None


HTML_PAGES = [
    b"<!DOCTYPE html><html>",
    b"\xef\xbb\xbf\r\n \t<HTML lang=id>",
    b"<head><title>",
    b"\n<script src=x>",
    b"<!-- cache --><?xml version='1.0'?>\n<!doctype HTML>",
    "\ufeff<!DOCTYPE html>".encode("utf-16-le"),
    "\ufeff\n<html>".encode("utf-16-be"),
]
DATA = [
    b"<headline>;x",
    b"nama;<html>\n",
    b"x<!doctype html>",
    "\ufeffno_ska;x".encode("utf-16-le"),
]


@pytest.mark.parametrize("body", HTML_PAGES)
def test_a_web_page_is_refused_and_kept(arrive: Arrive, body: bytes) -> None:
    landing = land.land(FEED, SLICE, arrive(body))
    assert code(landing) == "html_page"
    assert landing.payload.read_bytes() == body


@pytest.mark.parametrize("body", DATA)
def test_what_only_holds_a_tag_is_no_web_page(arrive: Arrive, body: bytes) -> None:
    assert code(land.land(FEED, SLICE, arrive(body))) is None


def test_zero_bytes_are_refused_in_both_languages(arrive: Arrive) -> None:
    landing = land.land(FEED, SLICE, arrive(b""))
    assert set(landing.manifest["refusal"]) == {"code", "en", "id"}
    assert code(landing) == "zero_bytes"
    assert landing.payload.read_bytes() == b""


def test_too_large_keeps_the_manifest_only(arrive: Arrive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSKA_MAX_FILE_MB", "1")
    settings.settings.cache_clear()
    assert code(land.land(FEED, SLICE, arrive(b"x" * 2**20))) is None
    file = arrive(b"y" * 2**20, size=5 * 2**20)
    landing = land.land(FEED, SLICE, file)
    assert (code(landing), landing.manifest["size"]) == ("too_large", 5 * 2**20)
    assert [path.name for path in landing.folder.iterdir()] == ["manifest.json"]
    assert not file.path.exists()


@pytest.mark.parametrize(
    "name",
    [
        "SINTETIS_DPK_2024-09_20241003T080000.csv",
        "SINTETIS_BGR_2024-08_20241003T080000.csv",
        "X_BGR_2024-09_DPK_2024-08_20241003T080000.csv",
    ],
)
def test_a_name_that_states_another_slice_is_refused(arrive: Arrive, name: str) -> None:
    landing = land.land(FEED, SLICE, arrive(name=name))
    assert code(landing) == "wrong_slice"
    assert landing.slice_code == "BGR_2024-09"


@pytest.mark.parametrize("name", ["2024-09.csv", "report", ""])
def test_a_name_that_states_nothing_is_no_contradiction(arrive: Arrive, name: str) -> None:
    landing = land.land(FEED, SLICE, arrive(name=name))
    assert (code(landing), landing.manifest["extracted_at"]) == (None, None)


def test_a_time_that_does_not_exist(arrive: Arrive) -> None:
    landing = land.land(FEED, SLICE, arrive(name="X_BGR_2024-09_20241399T080000.csv"))
    assert (code(landing), landing.manifest["extracted_at"]) == ("bad_extract_time", None)


def named(extracted: str) -> str:
    return f"X_BGR_2024-09_{extracted}T080000.csv"


def test_an_older_extract_is_refused_unless_forced(arrive: Arrive) -> None:
    assert code(land.land(FEED, SLICE, arrive(b"1", named("20241003")))) is None
    assert code(land.land(FEED, SLICE, arrive(b"2", named("20241005")))) is None
    assert code(land.land(FEED, SLICE, arrive(b"3", named("20241004")))) == "older_extract"
    assert code(land.land(FEED, SLICE, arrive(b"4", named("20241005")))) is None
    assert code(land.land(FEED, SLICE, arrive(b"5", "2024-09.csv"))) is None
    assert code(land.land(FEED, SLICE, arrive(b"3", named("20241004")), force=True)) is None


def test_no_delta_is_too_old_but_none_may_come_from_the_future(arrive: Arrive) -> None:
    feed = replace(FEED, mode="delta")
    future = (store.now() + timedelta(days=3)).strftime("%Y%m%d")
    landed = [
        land.land(feed, SLICE, arrive(day.encode(), named(day)))
        for day in ("20241005", "20241004", future)
    ]
    assert [code(one) for one in landed] == [None, None, "future_extract"]
    assert landed[0].manifest["mode"] == "delta"


@pytest.mark.parametrize(
    ("covers", "slice_code", "months", "sound", "wrong"),
    [
        ("year", "BGR_2024", ("2024-01", "2024-12"), "2024-09", "2023-09"),
        ("all", "BGR_all", ("2024-01", None), "1999-01", None),
    ],
)
def test_slices_of_a_year_and_of_all(
    arrive: Arrive, covers: Any, slice_code: str, months: tuple[str, str | None],
    sound: str, wrong: str | None,
) -> None:  # fmt: skip
    part = Slice("BGR", Month(2024, 1), covers)
    landing = land.land(FEED, part, arrive(b"1", f"X_BGR_{sound}_20241003T080000.csv"))
    assert (landing.slice_code, code(landing)) == (slice_code, None)
    assert (landing.manifest["month"], landing.manifest["last_month"]) == months
    other = land.land(FEED, part, arrive(b"2", "X_CRB_2024-09_20241003T080000.csv"))
    assert code(other) == "wrong_slice"
    if wrong:
        other = land.land(FEED, part, arrive(b"3", f"X_BGR_{wrong}_20241003T080000.csv"))
        assert code(other) == "wrong_slice"


def test_what_was_refused_makes_nothing_look_old(arrive: Arrive) -> None:
    assert code(land.land(FEED, SLICE, arrive(b"<html>", named("20241009")))) == "html_page"
    assert code(land.land(FEED, SLICE, arrive(b"1", named("20241003")))) is None


def test_a_clock_set_wrong_does_not_lock_out_what_follows(arrive: Arrive) -> None:
    tomorrow = (store.now() + timedelta(days=3)).strftime("%Y%m%d")
    assert code(land.land(FEED, SLICE, arrive(b"1", named(tomorrow)), force=True)) == (
        "future_extract"
    )
    assert code(land.land(FEED, SLICE, arrive(b"2", named("20241003")))) is None


def test_landing_time_grows_when_the_clock_steps_back(arrive: Arrive) -> None:
    bodies = [b"1", b"2", b"3"]
    moments = [NOON, NOON, NOON - timedelta(hours=5)]
    landed = [
        land.land(FEED, SLICE, arrive(body), landed_at=moment)
        for body, moment in zip(bodies, moments, strict=True)
    ]
    steps = [one.landed_at - NOON for one in landed]
    assert steps == [timedelta(microseconds=n) for n in range(3)]
    assert [one.manifest["landed_at"] for one in landed][1] == "2024-10-03T12:00:00.000001+00:00"
    assert [one.payload.read_bytes() for one in store.landings("eska")] == bodies


def test_the_same_bytes_from_one_address_land_once(arrive: Arrive) -> None:
    first, again = (land.land(FEED, SLICE, arrive(b"1")) for _ in range(2))
    assert again == first
    assert not list((store.home() / "work" / "partial").iterdir())
    elsewhere = land.land(FEED, SLICE, arrive(b"1", source="{deliveries}/BGR/other.csv"))
    assert elsewhere != first
    land.land(FEED, SLICE, arrive(b"2"))
    assert land.land(FEED, SLICE, arrive(b"1")) not in (first, elsewhere)


def test_force_lands_again_what_was_refused_and_only_that(arrive: Arrive) -> None:
    refused = land.land(FEED, SLICE, arrive(b""))
    assert land.land(FEED, SLICE, arrive(b"")) == refused
    assert land.land(FEED, SLICE, arrive(b""), force=True) != refused
    taken = land.land(FEED, SLICE, arrive(b"1"))
    assert land.land(FEED, SLICE, arrive(b"1"), force=True) == taken


def test_many_at_once_all_land_at_times_of_their_own(arrive: Arrive) -> None:
    files = [arrive(str(n).encode(), source=str(n)) for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        landed = list(pool.map(lambda file: land.land(FEED, SLICE, file, landed_at=NOON), files))
    assert len({one.landed_at for one in landed}) == len(store.landings("eska")) == 16


def test_a_failure_leaves_no_landing(arrive: Arrive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = arrive()
    monkeypatch.setattr(store, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        land.land(FEED, SLICE, file)
    assert store.landings("eska") == []
    assert list((store.home() / "landing" / "eska" / "BGR_2024-09").iterdir()) == []
