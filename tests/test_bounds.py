"""Envelopes: what bounds.csv may say, whose deliveries a row judges again, and what is proposed."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deliveries import filler, land, text
from pipeline import (
    bounds,
    bounds_cli,
    builds,
    duck,
    flow,
    releases,
    requests,
    settings,
    store,
    validate,
    verdicts,
)
from pipeline.bounds import Bound
from pipeline.messages import Problem
from test_cli import call

HEADER = ",".join(bounds.COLUMNS)
Decide = Callable[..., None]
SOUND = "eska,BGR,3,9,2026-11-01,letter 12 of the office"


@pytest.fixture
def decide(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decide]:
    """Write expectations/bounds.csv: its rows below the header, or the whole text."""
    folder = data_root / "expectations"
    shutil.copytree(settings.ROOT / "expectations", folder)
    monkeypatch.setenv("IPSKA_EXPECTATIONS", str(folder))
    settings.settings.cache_clear()

    def write(*rows: str, header: str = HEADER) -> None:
        bounds.file().write_text("\n".join([header, *rows, ""]), "utf-8")
        bounds._load.cache_clear()

    yield write
    settings.settings.cache_clear()


# What is wrong with a row, and the line, column and value that are told.
BAD = {
    "eska,BGR,3,9,<YYYY-MM-DD>,letter 12": (2, "decided_on", "<YYYY-MM-DD>"),
    "eska,BGR,3,9,2026-11-01,<reason>": (2, "reason", "<reason>"),
    "eska,BGR,3,9,2026-11-01,": (2, "reason", ""),
    "eska,BGR,3,9,1 November,letter 12": (2, "decided_on", "1 November"),
    "eska,BGR,-3,9,2026-11-01,letter 12": (2, "min_records", "-3"),
    "eska,BGR,3,1.000,2026-11-01,letter 12": (2, "max_records", "1.000"),
    "eska,BGR,9,3,2026-11-01,letter 12": (2, "max_records", "3"),
    "eska,BGR,,,2026-11-01,letter 12": (2, "max_records", ""),
    ",BGR,3,9,2026-11-01,letter 12": (2, "feed", ""),
    "eska,,3,9,2026-11-01,letter 12": (2, "office_code", ""),
    "eska,BGR,3,9,2026-11-01": (2, "row", "eska,BGR,3,9,2026-11-01,None"),
    "eska,BGR,3,9,2026-11-01,letter, 12": (2, "row", "eska,BGR,3,9,2026-11-01,letter,[' 12']"),
    'eska,BGR,3,9,2026-11-01,"open': (2, "row", "unexpected end of data"),
    f"{SOUND}\n{SOUND}": (3, "office_code", "BGR"),
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_named(row: str, decide: Decide) -> None:
    decide(row)
    with pytest.raises(Problem, match="bad_bounds") as raised:
        bounds.load_bounds()
    facts = raised.value.facts
    assert (facts["line"], facts["column"], str(facts["value"])) == BAD[row]
    assert "YYYY-MM-DD" in raised.value.text("en") and "TTTT-BB-HH" in raised.value.text("id")


def test_another_header_is_named(decide: Decide) -> None:
    decide(header="feed,office,min,max,decided_on,reason")
    with pytest.raises(Problem, match="bad_bounds") as raised:
        bounds.load_bounds()
    assert (raised.value.facts["line"], raised.value.facts["column"]) == (1, "header")


@pytest.mark.parametrize(("old", "new"), [("eska", "esca"), ("BGR", "BGT")])
def test_a_row_that_holds_for_nobody_is_named(old: str, new: str, decide: Decide) -> None:
    """The run stops: whoever wrote it thinks that there is a limit."""
    decide("eska,*,1,,2026-11-01,no nil returns", SOUND.replace(old, new))
    request = requests.backfill("2024-01", "2024-02", None, "made for a test", store.now())
    with pytest.raises(Problem, match="bad_bounds") as raised:
        flow.validate(request, {})
    column = {"eska": "feed", "BGR": "office_code"}[old]
    facts = raised.value.facts
    assert (facts["line"], facts["column"], facts["value"]) == (3, column, new)
    decide("eska,*,1,,2026-11-01,no nil returns", SOUND)
    assert flow.validate(request, {})["validated"] == 0


def test_a_bad_file_stops_before_anything_is_validated(decide: Decide) -> None:
    landing = land(text(filler(3)))
    decide(next(iter(BAD)))
    with pytest.raises(Problem, match="bad_bounds"):
        validate.validate([landing])
    decide()
    assert verdicts.of(landing) is None


def test_an_offices_own_row_goes_before_that_of_its_feed(decide: Decide) -> None:
    assert bounds.load_bounds() == [], "none is decided in the project's own file"
    decide(SOUND, "eska,*,1,,2026-11-01,no nil returns")
    assert bounds.of("eska", "BGR") == Bound("eska", "BGR", 3, 9)
    assert bounds.of("eska", "BKS") == Bound("eska", "*", 1, None)
    assert bounds.of("eska", None) == Bound("eska", "*", 1, None)
    assert bounds.of("other", "BGR") is None
    bounds.file().unlink()
    assert bounds.load_bounds() == []


def test_a_row_judges_again_the_deliveries_of_its_office_only(decide: Decide) -> None:
    """The envelope is part of the rules of those that it holds for; date and reason are not."""
    ours, other = land(text(filler(3))), land(text(filler(2)), month="2022-11", office="BKS")
    rules = [verdicts.rules_of(one) for one in (ours, other)]
    decide(SOUND)
    changed = [verdicts.rules_of(one) for one in (ours, other)]
    assert changed[0] != rules[0] and changed[1] == rules[1]
    decide(SOUND.replace("letter 12", "letter 13"))
    assert [verdicts.rules_of(one) for one in (ours, other)] == changed
    decide(SOUND.replace("3,9", "3,8"))
    assert verdicts.rules_of(ours) not in (rules[0], changed[0])
    decide()
    assert [verdicts.rules_of(one) for one in (ours, other)] == rules


@pytest.mark.parametrize(
    ("new", "old", "widens"),
    [
        ((3, 9), (3, 9), False),
        ((4, 8), (3, 9), False),
        ((2, 9), (3, 9), True),
        ((3, 10), (3, 9), True),
        ((3, None), (3, 9), True),
        ((None, 9), (3, 9), True),
        ((0, 9), (None, 9), False),
        ((3, 9), (None, None), False),
    ],
)
def test_what_widens(new: tuple[int, int], old: tuple[int, int], widens: bool) -> None:
    assert Bound("eska", "BGR", *new).widens(Bound("eska", "BGR", *old)) == widens


def history(con: duck.Connection, office: str, records: list[int], state: str = "current") -> None:
    con.execute("CREATE SCHEMA IF NOT EXISTS core")
    con.execute(
        "CREATE TABLE IF NOT EXISTS core.delivery (feed VARCHAR, office_code VARCHAR, "
        "month DATE, state VARCHAR, records BIGINT, excluded_records BIGINT)"
    )
    for n, count in enumerate(records):
        con.execute(
            "INSERT INTO core.delivery VALUES ('eska', ?, ?, ?, ?, 1)",
            [office, f"2023-{n + 1:02}-01", state, count + 1],
        )


def test_proposals_are_robust_and_say_whether_they_widen(decide: Decide) -> None:
    """By hand: median 100, deviations 0 ×3, 10 ×7, 900, 100: MAD 10, reach 6 × 14.826 = 88.956."""
    steady = [90, 110, 100, 90, 110, 100, 90, 110, 100, 90, 1000, 0]
    decide("eska,BGR,20,150,2026-11-01,letter 12")
    with duck.connect() as con:
        history(con, "BGR", steady)
        history(con, "BKS", [5] * 11)  # too few to say anything
        history(con, "BKS", [5], state="superseded")
        history(con, "CRB", [3, 9] * 6)  # median 6, MAD 3: below zero, but never a nil return
        history(con, "DPK", [7] * 12)
        rows = bounds_cli.propose(con)
    told = ("office_code", "min_in_force", "min_records", "max_in_force", "max_records", "widens",
            "outside", "row")  # fmt: skip
    assert [tuple(row[name] for name in told) for row in rows] == [
        ("BGR", 20, 11, 150, 189, True, 2, "eska,BGR,11,189,<YYYY-MM-DD>,<reason>"),
        ("CRB", None, 1, None, 33, False, 0, "eska,CRB,1,33,<YYYY-MM-DD>,<reason>"),
        ("DPK", None, 7, None, 7, False, 0, "eska,DPK,7,7,<YYYY-MM-DD>,<reason>"),
    ]
    decide(rows[0]["row"])
    with pytest.raises(Problem, match="bad_bounds"):
        bounds.load_bounds()
    decide(rows[0]["row"].replace("<YYYY-MM-DD>", "2026-11-02").replace("<reason>", "it grew"))
    assert bounds.load_bounds() == [Bound("eska", "BGR", 11, 189)]


def test_the_command_writes_nothing(
    decide: Decide, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "bounds", "propose")[0] == 1, "no release yet"
    build = builds.Build("1", {})
    build.database.parent.mkdir(parents=True)
    with duck.connect(build.database) as con:
        history(con, "DPK", [7] * 12)
    monkeypatch.setattr(releases, "current", lambda _: {"release_id": "r", "build_id": "1"})
    monkeypatch.setattr(builds, "find", lambda _: build)
    before = bounds.file().read_bytes()
    code, out, _ = call(capsys, "bounds", "propose", "--json")
    assert code == 0 and json.loads(out)["rows"][0]["max_records"] == 7
    code, out, _ = call(capsys, "bounds", "propose")
    assert code == 0 and "eska,DPK,7,7,<YYYY-MM-DD>,<reason>" in out.splitlines()
    assert bounds.file().read_bytes() == before
