"""What changed since the release before: every cause by hand, and sums that meet to the cent."""

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from golden import cell, deliver, deliver_cells, line
from pipeline import builds, changes, duck, load, models, releases, settings, store
from test_resubmission import resubmitted

Facts = dict[str, Any]
FIRST, SECOND = "2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"
FEEDS = {"eska": "2024-01", "lean": "2024-01", "bps": "2023-01"}
LATER = {"status_at": "2024-03-01 03:00:00"}
# A declaration that two certificates share: each is worth a half of its total.
SHARED = {"peb_number": "000123", "peb_on": "2023-10-10", "customs_office": "040300",
          "fob_document": None, "line_fob": None, "fob_peb": Decimal("900.00")}  # fmt: skip
OTHER = SHARED | {"peb_number": "000124"}
DEPOK = {"exporter_place": "Kota Depok"}


def ska(number: int, office: str = "BGR") -> str:
    return f"{number:07}/{office}/2024"


def goods(number: int, month: str, usd: int = 1000, office: str = "BGR", **more: Any) -> Facts:
    """A certificate of one line, issued in that month by that office."""
    values = {"fob_document": Decimal(usd), "line_fob": Decimal(usd)} | more
    return line(ska(number, office), line=number + 1, issued_on=f"{month}-15", **values)


def aside(row: Facts) -> Facts:
    return row | {"findings": [{"rule_name": "r", "column_name": "c", "value": None}]}


def deliveries(is_after: bool) -> list[Facts]:
    """What the two builds are made of; each month of issue is a case of its own."""
    then = {"landed_at": FIRST}
    at = {"landed_at": SECOND}
    whole = deliver(
        "BGR_2024-01",
        [
            goods(2, "2023-02"),  # withdrawn
            goods(3, "2023-03"),  # newer_version
            goods(4, "2023-04"),  # quarantined
            goods(5, "2023-05"),  # replaced by one of a new delivery
            goods(7, "2023-07", **(DEPOK if is_after else {})),  # the rules moved it
            goods(8, "2023-08"),  # tied to another by a quarantined one
            goods(9, "2023-08", 700, replaces_ska_number=ska(10)),
            goods(11, "2023-10", **SHARED),  # shares a PEB with 12, which 13 replaces
            goods(12, "2023-10", **SHARED, **DEPOK),
            goods(14, "2023-11"),  # unchanged
            goods(16, "2022-12", **OTHER),  # shares a PEB with 17, whose new version names none
            goods(17, "2022-12", **OTHER, **DEPOK),
            goods(18, "2022-11"),  # replaced by 19, whose new version replaces nothing
            goods(19, "2022-11", 500, replaces_ska_number=ska(18)),
        ],
        **then,
    )
    sent = deliver("DPK_2024-01", [
        goods(1, "2023-01", office="DPK"), goods(2, "2023-01", 300, office="DPK"),
    ], [
        aside(goods(5, "2022-10", office="DPK", replaces_ska_number=ska(3, "DPK"))),
    ], **then)  # fmt: skip
    tied = deliver("DPK_2024-02", [  # by what is set aside above, and no more when that is gone
        goods(3, "2022-10", office="DPK"),
        goods(4, "2022-10", 600, office="DPK", replaces_ska_number=ska(5, "DPK")),
    ], **then)  # fmt: skip
    origin = deliver("JBR_2024-01", [
        goods(1, "2023-11", office="JBR"), goods(4, "2022-09", office="JBR"),
    ], [
        aside(goods(2, "2023-06", office="JBR")),
    ], **then)  # fmt: skip
    judged = {"verdict": "accepted" if is_after else "refused"}
    refused = deliver("CKR_2024-01", [goods(1, "2023-09", office="CKR")], **then, **judged)
    gone = deliver("KRW_2024-01", [goods(1, "2023-12", office="KRW")], feed="lean", **then)
    cells = deliver_cells("BPS_2023-01", [
        cell(2, "IDTPP", "2023-01", 100), cell(3, "IDTPE", "2023-01", 50),
    ], **then)  # fmt: skip
    other = deliver_cells("BPS_2023-02", [cell(2, "IDTPP", "2023-02", 10)], **then)
    both = [whole, sent, tied, origin, refused, cells, other]
    if not is_after:
        return [*both, gone]
    again = deliver("DPK_2024-01", [goods(1, "2023-01", 1500, office="DPK")], **at)
    back = resubmitted(origin, [3, 5], [
        goods(2, "2023-06", 800, office="JBR"), goods(6, "2022-09", 700, office="JBR"),
    ], **at)  # fmt: skip
    new = deliver(
        "BGR_2024-03",
        [
            goods(2, "2023-02", status="withdrawn", **LATER),
            goods(3, "2023-03", 1200, **LATER),
            goods(6, "2023-06", 1100, replaces_ska_number=ska(5)),
            goods(13, "2023-10", 400, replaces_ska_number=ska(12), **DEPOK),
            goods(15, "2024-02", 5),
            goods(17, "2022-12", 300, **DEPOK, **LATER),
            goods(19, "2022-11", 500, **LATER),
        ],
        [
            aside(goods(4, "2023-04", **LATER)),
            aside(goods(10, "2023-08", replaces_ska_number=ska(8))),
        ],
        **at,
    )  # fmt: skip
    later = deliver_cells("BPS_2023-01", [
        cell(2, "IDTPP", "2023-01", 120), cell(3, "IDTPP", "2023-02", 15),
    ], **at)  # fmt: skip
    return [*both, again, back, new, later]


def slice_of(delivery: str | None) -> str | None:
    return delivery and f"{delivery.split('/')[1]} {delivery.split('/')[2][6:8]}"


def make(name: str, verdicts: list[Facts], code_sha: str = "c") -> Path:
    """A build with what the table reads, and a release of it."""
    path = builds.folder_of(name) / builds.DATABASE
    store.write_json(path.parent / "build.json", {"code_sha": code_sha})
    with duck.connect(path) as con:
        load.load(con, verdicts, FEEDS)
        models.materialise(con, "mart", only=("mart.region_month", "mart.region"))
    folder = store.home() / "internal" / "releases" / name
    store.write_json(folder / "release.json", {"build_id": name})
    shutil.copy(path, folder / releases.DATABASE)
    return path


def written(build: Path, previous: str | None) -> list[Facts]:
    """The table as a release of this build would hold it after `previous`."""
    with duck.connect(build, read_only=True) as con:
        con.execute("ATTACH ':memory:' AS out (READ_WRITE); CREATE SCHEMA out.mart")
        changes.write(con, {"previous_release_id": previous, "code_sha": "c"})
        return duck.rows(con, "FROM out.mart.release_change")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(tmp_path_factory.mktemp("changes")))
        settings.settings.cache_clear()
        yield {name: make(name, deliveries(name == "after")) for name in ("before", "after")}
    settings.settings.cache_clear()


NEW, AGAIN = "BGR_2024-03 02", "DPK_2024-01 02"
# Month: (region, cause, delivery, change in US$, items); the domicile, and the official figures.
EXPECTED: dict[str, list[tuple[str, str, str | None, int, int]]] = {
    "2022-09": [("3201", "resubmitted", "JBR_2024-01 02", -300, 2)],
    "2022-10": [("3201", "other_certificate", AGAIN, 1000, 1)],
    "2022-11": [("3201", "other_certificate", NEW, 1000, 1)],
    "2022-12": [
        ("3201", "other_certificate", NEW, 450, 1), ("3276", "newer_version", NEW, -150, 1),
    ],
    "2023-01": [("3201", "newer_delivery", AGAIN, 200, 2)],  # 1000 → 1500, and 300 are gone
    "2023-02": [("3201", "withdrawn", NEW, -1000, 1)],
    "2023-03": [("3201", "newer_version", NEW, 200, 1)],
    "2023-04": [("3201", "quarantined", NEW, -1000, 1)],
    "2023-05": [  # a chain stands in the month of its first issue
        ("3201", "new_delivery", NEW, 1100, 1), ("3201", "other_certificate", NEW, -1000, 1),
    ],
    "2023-06": [("3201", "resubmitted", "JBR_2024-01 02", 800, 1)],
    "2023-07": [
        ("3201", "rules_changed", "BGR_2024-01 01", -1000, 1),
        ("3276", "rules_changed", "BGR_2024-01 01", 1000, 1),
    ],
    "2023-08": [("3201", "other_certificate", NEW, -1000, 1)],
    "2023-09": [("3201", "rules_changed", "CKR_2024-01 01", 1000, 1)],
    # 12 (450) is replaced by 13 (400); that frees the PEB for 11 (450 → 900).
    "2023-10": [
        ("3201", "other_certificate", NEW, 450, 1),
        ("3276", "new_delivery", NEW, 400, 1), ("3276", "other_certificate", NEW, -450, 1),
    ],
    "2023-12": [("3201", "feed_removed", "KRW_2024-01 01", -1000, 1)],
    "2024-02": [("3201", "new_delivery", NEW, 5, 1)],
}  # fmt: skip
OFFICIAL = [
    ("IDTPE", "2023-01", "newer_delivery", "BPS_2023-01 02", -50, 1),
    ("IDTPP", "2023-01", "newer_delivery", "BPS_2023-01 02", 20, 1),
    ("IDTPP", "2023-02", "newer_delivery", "BPS_2023-01 02", 5, 1),
]


def test_every_cause_by_hand(two: dict[str, Path]) -> None:
    rows = written(two["after"], "before")
    found: dict[str, list[Any]] = {}
    for row in rows:
        if row["basis"] == "domicile":
            told = (row["region_code"], row["change_cause"], slice_of(row["delivery_id"]),
                    int(row["change_usd"]), row["changed_items"])  # fmt: skip
            found.setdefault(f"{row['month']:%Y-%m}", []).append(told)
    assert found == EXPECTED
    official = [
        (r["region_code"], f"{r['month']:%Y-%m}", r["change_cause"], slice_of(r["delivery_id"]),
         int(r["change_usd"]), r["changed_items"])
        for r in rows if r["basis"] == "official"
    ]  # fmt: skip
    assert official == OFFICIAL


IDENTITY = """
    SELECT basis, region_code, month,
        coalesce(n.fob_usd, 0) - coalesce(b.fob_usd, 0) AS moved, coalesce(told, 0) AS told
    FROM mart.region_month AS n
    FULL JOIN release.mart.region_month AS b USING (basis, region_code, month)
    FULL JOIN (
        SELECT basis, region_code, month, sum(change_usd) AS told FROM out.mart.release_change
        GROUP BY ALL
    ) AS c USING (basis, region_code, month)
"""


@pytest.mark.parametrize("pair", [("before", "after"), ("after", "before")])
def test_causes_add_up_to_the_cent(two: dict[str, Path], pair: tuple[str, str]) -> None:
    previous, build = pair
    with duck.connect(two[build], read_only=True) as con:
        con.execute("ATTACH ':memory:' AS out (READ_WRITE); CREATE SCHEMA out.mart")
        changes.write(con, {"previous_release_id": previous, "code_sha": "c"})
        file = releases.folder_of("internal", previous) / releases.DATABASE
        con.execute(f"ATTACH {duck.literal(str(file))} AS release (READ_ONLY)")
        sums = duck.rows(con, IDENTITY)
        rows = duck.rows(con, "FROM out.mart.release_change")
    assert sum(one["moved"] != 0 for one in sums) > 20
    assert [one for one in sums if one["moved"] != one["told"]] == []
    assert {row["basis"] for row in rows} == {"domicile", "issuer", "port", "official"}
    assert "unknown" not in {row["change_cause"] for row in rows}
    grain = [tuple(row[name] for name in ("basis", "region_code", "month", "change_cause",
             "delivery_id")) for row in rows]  # fmt: skip
    assert len(set(grain)) == len(grain) and all(row["change_usd"] for row in rows)


def test_a_first_release_and_one_of_the_same_have_none(two: dict[str, Path]) -> None:
    assert written(two["after"], None) == []
    assert written(two["after"], "after") == []


def test_without_the_build_before_the_change_is_there_and_its_cause_unknown(
    two: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = written(two["after"], "before")
    monkeypatch.setattr(builds, "exists", lambda _: False)
    rows = written(two["after"], "before")
    assert {(row["change_cause"], row["delivery_id"], row["changed_items"]) for row in rows} == {
        ("unknown", None, None)
    }
    sums: dict[Any, Decimal] = {}
    for row in known:
        key = row["basis"], row["region_code"], row["month"]
        sums[key] = sums.get(key, Decimal(0)) + row["change_usd"]
    assert {(r["basis"], r["region_code"], r["month"]): r["change_usd"] for r in rows} == {
        key: usd for key, usd in sums.items() if usd
    }


def test_another_program_s_build_may_have_other_tables(data_root: Path) -> None:
    """Then the cause is unknown; a build of this very program must be as we think."""
    build = make("now", [deliver("BGR_2024-01", [goods(1, "2024-01")])])
    for name, code_sha in (("old", "other"), ("same", "c")):
        path = make(name, [deliver("BGR_2024-01", [goods(1, "2024-01", 400)])], code_sha)
        with duck.connect(path) as con:
            con.execute("ALTER TABLE core.certificate RENAME counted_usd TO counted")
    assert {row["change_cause"] for row in written(build, "old")} == {"unknown"}
    with pytest.raises(duck.Error, match="counted_usd"):
        written(build, "same")
