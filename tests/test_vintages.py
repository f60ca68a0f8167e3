"""What was known when, rankings of any two ranges, and the page that explains one region."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from pipeline import (
    builds,
    confidence,
    duck,
    explain,
    export,
    flow,
    layouts,
    public,
    quarantine,
    ranges,
    rankings,
    releases,
    requests,
    settings,
    store,
    vintages,
)
from pipeline.messages import Problem
from pipeline.page.facts import Facts
from pipeline.page.headline import headline
from pipeline.periods import Month
from pipeline.rankings import Question
from pipeline.sample import write_sample
from pipeline.words import WORDS, item_name
from test_cli import call

FIRST, LAST = Month(2021, 1), Month(2024, 9)
NINE = date(2024, 9, 30)


def run(reason: str) -> dict[str, Any]:
    request = requests.backfill(str(FIRST), str(LAST), None, reason, store.now())
    return flow.run(request, tell=lambda _: None)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A data root with two releases: between them a rule was changed (b from 0.15 to 0.1 %), and
    one month of Kota Depok's office was sent again.
    """
    root = tmp_path_factory.mktemp("history")
    write_sample(root / "deliveries", 9_000, seed=5, first=FIRST, last=LAST, dirt=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        patch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
        patch.setenv("IPSKA_SEEDS", str(shutil.copytree(settings.ROOT / "seeds", root / "seeds")))
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        rules = root / "seeds" / "rule.csv"
        text = rules.read_text("utf-8")
        rules.write_text(text.replace("base_share_pct,0.1,", "base_share_pct,0.15,"), "utf-8")
        assert rules.read_text("utf-8") != text
        made = [run("the first night")["publish"]["release_id"]]
        rules.write_text(text, "utf-8")
        (file,) = (root / "deliveries").glob("*/*DPK_2024-08*.csv")
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[: len(lines) - 3]))
        made.append(run("a month sent again")["publish"]["release_id"])
        assert made[0] != made[1]
        yield made
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def file_of(release_id: str) -> Path:
    return releases.folder_of("internal", release_id) / releases.DATABASE


def published_at(release_id: str) -> datetime:
    return store.parse_stamp(release_id.split("-")[0])


@pytest.fixture
def rules_of_then(history: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process works under the rules of the first release."""
    for name, value in settings.environment_of(vintages.rules_at(published_at(history[0]))).items():
        monkeypatch.setenv(name, value)
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
    yield
    monkeypatch.undo()
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def test_a_build_as_of_a_moment_is_what_was_published_then(
    history: list[str], rules_of_then: None
) -> None:
    first, second = history
    then = vintages.fingerprints(file_of(first))
    assert len(then) >= 10
    assert then != vintages.fingerprints(file_of(second))
    known = flow.build_as_of(published_at(first))
    build = builds.find(known["build_id"])
    assert not known["built"]  # named by what it is made of: it is still there
    assert vintages.fingerprints(build.database) == then
    shutil.rmtree(builds.folder_of(known["build_id"]))  # and made anew it is the same
    again = flow.build_as_of(published_at(first))
    assert again == {"build_id": known["build_id"], "built": True}
    assert vintages.fingerprints(build.database) == then


def test_who_was_current_when(history: list[str]) -> None:
    first, second = history
    assert vintages.release_at(published_at(first))["release_id"] == first
    assert vintages.release_at(store.now())["release_id"] == second
    assert vintages.rules_at(store.now()).is_dir()
    with pytest.raises(Problem, match="nothing_then"):
        vintages.release_at(datetime.fromisoformat("2020-01-01T00:00:00+00:00"))


def test_rank_as_of_works_under_the_rules_of_then(history: list[str]) -> None:
    at = published_at(history[0]).isoformat()
    command = [sys.executable, "-m", "pipeline", "rank", "--as-of", at, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    rules, statuses = [], []
    for release in history:
        with duck.connect(file_of(release), read_only=True) as con:
            rows = rankings.answer(con, Question())
            rules.append({one["rule_name"]: one["rule_value"] for one in rankings.rules(con)})
        statuses.append({row["region_code"]: row["growth_status"] for row in rows})
        if release == history[0]:
            then = [digits(rankings.as_json(row)) for row in rows]
    assert rules[0] != rules[1]
    assert statuses[0] != statuses[1], "the rule that was changed decides something"
    shown = json.loads(done.stdout)
    assert [digits(row) for row in shown["rows"]] == then
    assert shown["rule"] == rules[0]


def digits(row: dict[str, Any]) -> dict[str, Any]:
    """METHOD.md: sums of floats to nine significant digits."""
    return {
        name: f"{value:.9g}" if isinstance(value, float) else value for name, value in row.items()
    }


def test_another_program_than_made_the_release_is_told(
    history: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And what it makes otherwise, where the release of then is kept."""
    asked = ("rank", "--as-of", published_at(history[1]).isoformat(), "--rules", "today")

    def told() -> tuple[bool, list[str] | None, str]:
        code, shown, said = call(capsys, *asked, "--json")
        assert code == 0, said
        found = json.loads(shown)
        assert found["rows"] and list(found)[:2] == ["release", "is_synthetic"]
        return found["code_differs"], found["differing_tables"], said

    assert told() == (False, None, "")
    every = releases.every("internal")
    every[1]["code_sha"] = "another"
    monkeypatch.setattr(releases, "every", lambda _: every)
    differs, tables, said = told()
    assert (differs, tables) == (True, []) and "code_sha" in said
    other = Path(shutil.copy(file_of(history[1]), tmp_path / "other.duckdb"))
    other.chmod(0o600)
    with duck.connect(other) as con:
        con.execute("UPDATE mart.shift_share SET own_usd = own_usd + 0.01")
        con.execute("DELETE FROM mart.period WHERE period_kind = 'year'")
    monkeypatch.setattr(releases, "database_of", lambda *_: other)
    differs, tables, said = told()
    assert (differs, tables) == (True, ["period", "shift_share"]) and "period, shift_share" in said
    monkeypatch.setattr(releases, "database_of", lambda *_: None)
    assert told()[:2] == (True, None)


def test_the_yearly_rate_is_shown_where_the_base_lies_years_back(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for baseline, is_shown in (("years_3", True), ("prev_year", False)):
        code, shown, _ = call(capsys, "rank", "--baseline", baseline)
        assert code == 0 and "growth_pct_rank" in shown
        assert ("growth_pct_yearly" in shown) == is_shown


@pytest.mark.parametrize("baseline", ["prev_year", "years_3"])
def test_without_the_rule_a_tiny_base_comes_first(history: list[str], baseline: str) -> None:
    """The sample is made so, and mart.rule_sensitivity says so: issue 5, "shown by"."""
    with duck.connect(file_of(history[1]), read_only=True) as con:
        rows = rankings.answer(con, Question(period_end=NINE, baseline=baseline))
        lines = dict(
            con.execute(
                "SELECT eligibility_rule, region_code FROM mart.rule_sensitivity WHERE basis = "
                "'domicile' AND scope_code = '32' AND league = 'all' AND period_kind = 'ytd' "
                f"AND period_end = '2024-09-30' AND baseline = '{baseline}'"
            ).fetchall()
        )
    (naive,) = [row for row in rows if row["region_code"] == lines["none"]]
    assert naive["growth_status"] == "below_base"
    assert naive["growth_pct"] == max(row["growth_pct"] or 0 for row in rows)
    assert lines["with b = 0.1 %"] == rows[0]["region_code"] == "3276"
    assert rows[0]["growth_pct_rank"] == 1
    assert lines["with b = 1 %"] not in ("3276", lines["none"]), "a stricter rule, another winner"


def test_any_two_ranges_are_ranked_as_the_stored_ones(history: list[str]) -> None:
    build = quarantine.current_build()
    with duck.connect(build.database, read_only=True) as con:
        stored = rankings.answer(con, Question(period_end=NINE))
    given = (Month(2024, 1), Month(2024, 9), Month(2021, 1), Month(2021, 9))
    with ranges.ranked(build, *given) as con:
        made = rankings.answer(con, Question(period_kind="range", baseline="range"))
    differ = {"period_kind", "baseline", "rank_movement", "growth_pct_rank_low",
              "growth_pct_rank_high", "share_first", "may_be_first"}  # fmt: skip
    assert len(stored) > 20
    for one, other in zip(stored, made, strict=True):
        assert {k: v for k, v in one.items() if k not in differ} == {
            k: v for k, v in other.items() if k not in differ
        }


def test_how_sure_is_worked_out_on_demand_as_it_is_stored(history: list[str]) -> None:
    build = quarantine.current_build()
    sure = ("region_code", *confidence.FOUND)
    with duck.connect(build.database, read_only=True) as con:
        stored = rankings.answer(con, Question(period_end=NINE))
        elsewhere = rankings.answer(con, Question(period_kind="quarter", league="kabupaten"))
        assert not [row for row in elsewhere if row["share_first"] is not None]
        confidence.add(con, elsewhere)
    few = [row for row in stored if row["is_ranked"] and row["share_first"] is None]
    enough = [row for row in stored if row["share_first"] is not None]
    assert len(few) > 0 and len(enough) > 2
    assert sum(row["share_first"] is not None for row in elsewhere) > 1
    for row in elsewhere:
        assert row["share_first"] is None or row["is_ranked"]
    given = (Month(2024, 1), Month(2024, 9), Month(2021, 1), Month(2021, 9))
    with ranges.ranked(build, *given) as con:
        made = rankings.answer(con, Question(period_kind="range", baseline="range"))
        confidence.add(con, made)
    for one, other in zip(stored, made, strict=True):
        assert {name: one[name] for name in sure} == {name: other[name] for name in sure}


def test_rank_tells_how_sure(history: list[str]) -> None:
    command = [sys.executable, "-m", "pipeline", "rank", "--confidence"]
    asked = ["--league", "kota", "--period-end", "2024-03-31", "--baseline", "prev_year"]
    done = subprocess.run([*command, *asked, "--json"], capture_output=True, check=False, text=True)
    rows = json.loads(done.stdout)["rows"]
    compared = [row for row in rows if row["share_first"] is not None]
    assert compared and sum(row["share_first"] for row in compared) == pytest.approx(100)
    assert all(1 <= row["growth_pct_rank_low"] <= len(compared) for row in compared)
    for more in (["--audience", "public"], ["--same-age"]):
        done = subprocess.run([*command, *more], capture_output=True, check=False, text=True)
        assert done.returncode == 2 and "office" in done.stderr


@pytest.mark.parametrize("given", [
    ("2024-01", "2024-09", "2021-01", "2021-08"),  # not of equal length
    ("2024-09", "2024-01", "2021-09", "2021-01"),  # backwards
    ("2024-01", "2024-09", "2023-09", "2024-05"),  # overlapping
    ("2021-01", "2021-03", "2022-01", "2022-03"),  # the base is later
])  # fmt: skip
def test_ranges_that_cannot_be_compared(history: list[str], given: tuple[str, ...]) -> None:
    build = quarantine.current_build()
    months = [Month.parse(text) for text in given]
    with pytest.raises(Problem, match="bad_ranges"), ranges.ranked(build, *months):
        pass


def test_a_base_before_the_feeds_is_no_base(history: list[str]) -> None:
    build = quarantine.current_build()
    given = (Month(2024, 1), Month(2024, 9), Month(2019, 1), Month(2019, 9))
    with ranges.ranked(build, *given) as con:
        rows = rankings.answer(
            con, Question(period_kind="range", baseline="range", period_end=NINE)
        )
    assert {row["growth_status"] for row in rows} == {"no_base"}


def test_a_release_says_what_changed_since_the_one_before(history: list[str]) -> None:
    first, second = history
    with duck.connect(file_of(first), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM mart.release_change").fetchall() == [(0,)]
    with duck.connect(file_of(second), read_only=True) as con:
        con.execute(f"ATTACH {duck.literal(str(file_of(first)))} AS before (READ_ONLY)")
        moved = con.execute(
            "SELECT basis, region_code, month, n.fob_usd - b.fob_usd AS moved "
            "FROM mart.region_month AS n JOIN before.mart.region_month AS b "
            "USING (basis, region_code, month) WHERE moved <> 0 ORDER BY ALL"
        ).fetchall()
        told = con.execute(
            "SELECT basis, region_code, month, sum(change_usd) FROM mart.release_change "
            "GROUP BY ALL HAVING sum(change_usd) <> 0 ORDER BY ALL"
        ).fetchall()
        assert moved and told == moved
        ((cause, slice_code, resent),) = con.execute(
            "SELECT DISTINCT change_cause, split_part(delivery_id, '/', 2), delivery_id "
            "FROM mart.release_change"
        ).fetchall()
        assert cause == "newer_delivery" and slice_code.endswith("_2024-08")
        known = "SELECT state FROM meta.delivery WHERE delivery_id = ?"
        assert con.execute(known, [resent]).fetchall() == [("current",)]
        # Explained where it is asked.
        (code, usd), *_ = con.execute(
            "SELECT region_code, change_usd FROM mart.release_change WHERE basis = 'domicile' "
            "AND region_code IN (SELECT region_code FROM mart.growth_ranking "
            "WHERE scope_code = '32' AND period_end = '2024-09-30')"
        ).fetchall()
        for language in ("en", "id"):
            text = explain.explain(con, code, Question(period_end=NINE), language, file_of(first))
            words = WORDS[language]
            assert f"{words['cause_newer_delivery']} ({resent})" in text
            assert words["causes"] in text
            assert words["base_cause"].split("{")[0] not in text
        assert f"−US$ {abs(usd):,.2f}" in explain.explain(
            con, code, Question(period_end=NINE), "en"
        )
        # What changed in August 2024 changed the base of what is held against it.
        told = explain.explain(
            con, code, Question(period_kind="month", baseline="prev_period", period_end=NINE), "en"
        )
        assert f"base period: −US$ {abs(usd):,.2f}" in told


def test_the_public_is_not_told_which_delivery_changed_what(
    history: list[str], tmp_path: Path
) -> None:
    build = quarantine.current_build()
    release = releases.current("internal")
    assert release
    export.write_database(build.database, tmp_path / "e.duckdb", "public", release)
    with duck.connect(tmp_path / "e.duckdb", read_only=True) as con:
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert ("growth_ranking",) in tables and ("release_change",) not in tables


# --- explain -------------------------------------------------------------------------------------


def test_both_languages_say_the_same_things() -> None:
    def holes(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert WORDS["en"].keys() == WORDS["id"].keys()
    for key, text in WORDS["en"].items():
        assert holes(text) == holes(WORDS["id"][key]), key


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_minister_s_page(history: list[str], language: str) -> None:
    with duck.connect(file_of(history[1]), read_only=True) as con:
        question = Question(period_end=NINE)
        (row,) = [r for r in rankings.answer(con, question) if r["region_code"] == "3276"]
        text = explain.explain(con, "3276", question, language, file_of(history[0]))
        (first,) = duck.rows(
            con,
            f"FROM mart.first_place WHERE {explain.RANKING}",
            {name: row[name] for name in ("basis", "scope_code", "league", "period_kind",
                                          "period_end", "baseline")},
        )  # fmt: skip
    words = WORDS[language]
    assert first["region_code"] == "3276"
    # Place and value, rule, how sure, what drove it, largest exporter, bases, change, caveats.
    order = ["Kota Depok", words["rule"], words["sure"], words["origin"],
             words[f"still_first_{first['still_first']}"], words["bases"], words["changed"],
             words["caveats"]]  # fmt: skip
    parts = text.split("\n\n")
    assert [
        part.startswith(head.split("{")[0]) for part, head in zip(parts, order, strict=True)
    ] == [True] * 8
    assert words["causes"] in parts[6] and words["cause_newer_delivery"] in parts[6]
    assert words["synthetic"] in text and history[1] in text and history[0] in text
    among = {"en": "among all regions of Jawa Barat", "id": "di antara semua daerah di Jawa Barat"}
    period = {"en": "January–September 2024", "id": "Januari–September 2024"}
    assert among[language] in text and period[language] in text
    mark = {"en": ".", "id": ","}[language]
    figures = [re.sub(r"[.,]", "", n) for n in re.findall(r"US\$ ([\d.,]+\d)", text)]
    assert f"{row['fob_usd']:.2f}".replace(".", "") in figures
    floor = {"en": "US$ 100,000 per 12 months", "id": "US$ 100.000 per 12 bulan"}[language]
    assert floor in parts[1] and f"0{mark}1 %" in parts[1]
    with duck.connect(file_of(history[1]), read_only=True) as con:
        told = headline(Facts(con, "32"))[language]
    assert parts[1].startswith(f"{told['rule']}\n"), "the page's first words say the same rule"
    assert told["rule"].endswith({
        "en": "all deliveries, and no firm that dominates.",
        "id": "kiriman lengkap, dan tanpa satu perusahaan yang mendominasi.",
    }[language])  # fmt: skip
    shares = [re.findall(r"[\d.,]+(?= %)", line) for line in parts[1].split("\n")[1:]]
    by_share = [[share.replace(".", mark)] for share in ("0", "0.05", "0.1", "0.5", "1")]
    assert shares == [[], *by_share, [], []], "no rule, by the base asked for, other values"
    assert "with" not in parts[1].replace("regions with", "") and "`" not in text
    yearly = f"{row['growth_pct_yearly']:+.1f}".replace(".", mark)
    assert f"; {yearly} % {words['values_yearly'].split('}')[-1].strip()}" in parts[0]
    assert {one: item_name("form", one, language) for one in ("others", "unknown")} == {
        "en": {"others": "all others", "unknown": "not stated"},
        "id": {"others": "lainnya", "unknown": "tidak disebutkan"},
    }[language]
    assert "{" not in text and "None" not in text


def test_a_public_page_knows_no_more_than_the_public(history: list[str], tmp_path: Path) -> None:
    build = quarantine.current_build()
    release = releases.current("internal")
    assert release
    facts = {k: v for k, v in release.items() if k not in ("reason", "published_by", "trouble")}
    with duck.connect(build.database, read_only=True) as con:
        unsafe = duck.rows(
            con,
            "SELECT basis, region_code, period_kind, period_end, 'primary' AS suppression "
            "FROM core.region_span WHERE is_unsafe",
        )
    hidden = public.Hidden(unsafe)
    export.write_database(build.database, tmp_path / "e.duckdb", "public", facts, hidden)
    with duck.connect(tmp_path / "e.duckdb", read_only=True) as con:
        hidden = con.execute(
            "SELECT region_code FROM mart.growth_ranking WHERE suppression = 'primary' AND "
            "scope_code = '32' AND league = 'all' AND basis = 'domicile' AND period_kind = 'ytd' "
            "AND baseline = 'years_3' AND period_end = '2024-09-30' ORDER BY 1"
        ).fetchall()
        assert hidden
        text = explain.explain(con, hidden[0][0], Question(period_end=NINE), "en")
        shown = explain.explain(con, "3276", Question(period_end=NINE), "en")
    assert WORDS["en"]["suppressed"] in text and WORDS["en"]["hidden"] in text
    first = text.split("\n\n")[0]
    assert not re.search(r"US\$ \d", first)
    for words in (WORDS["en"]["origin"], "Set aside"):
        assert words not in text and words not in shown


def test_no_such_region(history: list[str]) -> None:
    with duck.connect(file_of(history[1]), read_only=True) as con, \
            pytest.raises(Problem, match="no_region"):  # fmt: skip
        explain.explain(con, "9999", Question(period_end=NINE))


def test_what_changed_since_the_last_release(history: list[str], tmp_path: Path) -> None:
    shutil.copy(file_of(history[0]), tmp_path / "before.duckdb")
    (tmp_path / "before.duckdb").chmod(0o600)
    with duck.connect(tmp_path / "before.duckdb") as con:
        con.execute("UPDATE mart.growth_ranking SET fob_usd = 1, growth_pct_rank = 20")
    with duck.connect(file_of(history[1]), read_only=True) as con:
        text = explain.explain(
            con, "3276", Question(period_end=NINE), "en", tmp_path / "before.duckdb"
        )
        (row,) = [
            r for r in rankings.answer(con, Question(period_end=NINE)) if r["region_code"] == "3276"
        ]
    assert (
        f"value US$ 1.00 → US$ {row['fob_usd']:,.2f}, place 20 → {row['growth_pct_rank']}" in text
    )
    assert Decimal(1) != row["fob_usd"]
