"""Feeds: what a feeds file may say, and the slices that follow from it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import feeds
from pipeline.feeds import Feed, Slice
from pipeline.messages import Problem
from pipeline.periods import Month

SOUND = {
    "layout": '"eska_v2"',
    "url": '"{deliveries}/{office}/*_{period}_*.csv"',
    "mode": '"snapshot"',
    "offices": '["BGR", "CRB"]',
    "first_month": '"2023-07"',
}


def load(folder: Path, **entry: str | None) -> Feed:
    """The feed of a file in which these keys stand otherwise; None: not at all."""
    lines = [f"{key} = {value}" for key, value in (SOUND | entry).items() if value]
    (folder / "feeds.toml").write_text("\n".join(["[kantor]", *lines]))
    return feeds.load_feeds(folder / "feeds.toml")["kantor"]


def test_the_feeds_of_the_repository_and_every_example_in_it_are_sound(tmp_path: Path) -> None:
    assert feeds.load_feeds()["eska"].mode == "snapshot"
    lines = (feeds.settings().seeds / "feeds.toml").read_text("utf-8").splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    start = next(n for n, line in enumerate(examples) if line.startswith("["))
    (tmp_path / "feeds.toml").write_text("\n".join(examples[start:]))
    found = feeds.load_feeds(tmp_path / "feeds.toml").values()
    assert {feed.url.partition("://")[0] for feed in found} >= {"https", "sftp", "s3"}
    assert {feed.mode for feed in found} == {"snapshot", "delta"}
    assert {feed.covers for feed in found} >= {"month", "year"}
    assert all(feed.connection for feed in found if "://" in feed.url)


def test_all_keys_are_read(tmp_path: Path) -> None:
    url = '"sftp://sftp.go.id/out/{office}_{period}.csv"'
    assert load(tmp_path, url=url, mode='"delta"', covers='"year"', connection='"k"') == Feed(
        "kantor", "eska_v2", url.strip('"'), "delta", ("BGR", "CRB"), Month(2023, 7), "k", "year"
    )


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"mode": '"replace"'}, "mode"),
        ({"mode": None}, "mode"),
        ({"covers": '"week"'}, "covers"),
        ({"modus": '"delta"'}, "modus"),
        ({"offices": '"BGR"'}, "offices"),
        ({"offices": "[]"}, "offices"),
        ({"offices": '["../x"]'}, "offices"),
        ({"layout": '"../x"'}, "layout"),
        ({"first_month": '"July"'}, "first_month"),
        ({"connection": '"a b"'}, "connection"),
        ({"url": "7"}, "url"),
        ({"url": '"ftp://host/{office}/{period}"'}, "url"),
        ({"url": '"deliveries/{office}/{period}"'}, "url"),
        ({"url": '"https://u:s3cret@host/{office}/{period}"'}, "url"),
        ({"url": '"sftp://s3cret@host/{office}/{period}"'}, "url"),
        ({"url": '"/x/{office}/**/{period}"'}, "url"),
        ({"url": '"/x/{office.__class__}/{period}"'}, "url"),
        ({"url": '"/x/{month}/{office}/{period}"'}, "url"),
        ({"url": '"/x/{office"'}, "url"),
        ({"url": '"/x/{period}.csv"'}, "url"),
        ({"url": '"/x/{office}.csv"'}, "url"),
    ],
)
def test_what_is_wrong_is_told_with_feed_and_key(
    tmp_path: Path, entry: dict[str, str | None], told: str
) -> None:
    with pytest.raises(Problem) as caught:
        load(tmp_path, **entry)
    assert (caught.value.code, caught.value.facts["where"]) == ("bad_feeds", "kantor")
    assert str(caught.value.facts["error"]).startswith(f"{told}: ")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["kantor = 1", "[kantor", "\ud800"])
def test_what_is_no_feeds_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "feeds.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Problem, match="bad_feeds"):
        feeds.load_feeds(tmp_path / "feeds.toml")


def test_one_file_for_all_offices_or_all_time_needs_no_placeholder(tmp_path: Path) -> None:
    load(tmp_path, url='"/x/{period}.csv"', offices='["BPS"]')
    load(tmp_path, url='"/x/all.csv"', offices='["BPS"]', covers='"all"')


@pytest.mark.parametrize(
    ("covers", "expected"),
    [
        ("month", {"BGR_2023-07": "2023-07", "BGR_2023-12": "2023-12", "BGR_2024-01": "2024-01"}),
        ("year", {"BGR_2023": "2023-12", "BGR_2024": "2024-12"}),
        ("all", {"BGR_all": None}),
    ],
)
def test_slices_and_the_last_month_they_cover(covers: Any, expected: dict[str, Any]) -> None:
    feed = Feed("k", "l", "/{office}", "snapshot", ("BGR",), Month(2023, 7), None, covers)
    months = [Month(2023, 6), Month(2023, 7), Month(2023, 12), Month(2024, 1)]
    found = feed.slices(months)
    last = {part.code: str(part.last_month) if part.last_month else None for part in found}
    assert last == expected
    assert feed.slices([Month(2023, 6)]) == []


def test_a_url_is_filled_in_for_a_slice(data_root: Path) -> None:
    feed = Feed("k", "l", "x", "snapshot", ("BGR",), Month(2013, 1))
    part = Slice("BPS", Month(2013, 1), "year")
    filled = feed.fill("{deliveries}/{office}/{period}", part)
    assert filled == f"{data_root}/deliveries/BPS/2013"
