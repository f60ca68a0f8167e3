"""`ipska rank`, `revisions` and `explain`: the ranking, how it was revised, one region's part."""

import subprocess
import sys
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from pipeline import (
    builds,
    confidence,
    duck,
    explain,
    flow,
    quarantine,
    ranges,
    rankings,
    releases,
    revisions,
    seeds,
    vintages,
)
from pipeline.periods import Month
from pipeline.printing import Json, err, out, print_json, print_table
from pipeline.settings import environment_of

RANKING_COLUMNS = [
    "growth_pct_rank",
    "region_name",
    "fob_usd",
    "base_fob_usd",
    "growth_usd",
    "growth_pct",
    "growth_pct_yearly",
    "growth_usd_rank",
    "contribution_pp",
    "exporters",
    "growth_status",
]
CONFIDENCE_NOTE = (
    "growth_pct_rank_low – high: peringkat yang tidak dapat dibedakan oleh kebetulan biasa pada "
    "perusahaan; share_first: persen undian sebagai pertama, bukan peluang; –: eksportir terlalu "
    "sedikit · places that can't be told apart by ordinary luck at the level of firms; per cent of "
    "draws in first place, not a probability; –: too few exporters to say"
)
SAME_AGE = ["base_same_age_usd", "growth_same_age_pct"]
SAME_AGE_NOTE = (
    "base_same_age_usd: pembanding menurut rilis yang berlaku ketika umurnya sama; – bila tidak "
    "ada atau angkanya sudah final · the base by the release in force when it was as old; – where "
    "there is none or the figures are final"
)
CODE_DIFFERS = (
    "Rilis waktu itu dibuat program lain (code_sha): angkanya dapat berbeda. Tabel yang berbeda: "
    "{tables} · Another program made the release of then (code_sha): figures may differ. Tables "
    "that do: {tables}"
)


class Basis(StrEnum):
    domicile = "domicile"
    issuer = "issuer"
    port = "port"
    official = "official"


class PeriodKind(StrEnum):
    month = "month"
    quarter = "quarter"
    ytd = "ytd"
    year = "year"
    r12m = "r12m"


class Baseline(StrEnum):
    prev_period = "prev_period"
    prev_year = "prev_year"
    years_3 = "years_3"


class League(StrEnum):
    all = "all"
    kota = "kota"
    kabupaten = "kabupaten"
    province = "province"


class Audience(StrEnum):
    internal = "internal"
    public = "public"


class Language(StrEnum):
    id = "id"
    en = "en"


class Rules(StrEnum):
    then = "then"
    today = "today"


PeriodEnd = Annotated[str | None, typer.Option(help="YYYY-MM-DD; default: newest")]


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--period-end") from error


def rank(
    scope: Annotated[
        str | None, typer.Option(help="a scope_code of seeds/scope.csv; default: its first")
    ] = None,
    basis: Basis = Basis.domicile,
    league: League = League.all,
    period_kind: PeriodKind = PeriodKind.ytd,
    period_end: PeriodEnd = None,
    baseline: Baseline = Baseline.years_3,
    audience: Audience = Audience.internal,
    first: Annotated[str | None, typer.Option("--from", help="any range, YYYY-MM")] = None,
    last: Annotated[str | None, typer.Option("--to", help="its last month")] = None,
    base_first: Annotated[str | None, typer.Option("--base-from", help="what it's held to")] = None,
    base_last: Annotated[str | None, typer.Option("--base-to", help="its last month")] = None,
    as_of: Annotated[str | None, typer.Option(help="as known at a moment, ISO 8601")] = None,
    rules: Annotated[Rules, typer.Option(help="with --as-of: the rules of that day")] = Rules.then,
    same_age: Annotated[
        bool, typer.Option("--same-age", help="also against the base as known at the same age")
    ] = False,
    sure: Annotated[
        bool, typer.Option("--confidence", help="work out how sure each rank is, of any ranking")
    ] = False,
    as_json: Json = False,
) -> None:
    """The growth ranking of the current release, with the rule behind it; or of any two ranges,
    or as it was known at a moment."""
    scope = scope or seeds.default_scope()
    question = rankings.Question(scope, basis, league, period_kind, baseline, _day(period_end))
    if same_age and (first or as_of or sure or audience != Audience.internal):
        raise typer.BadParameter("--same-age is of the office's current release")
    if as_of and rules == Rules.then:
        _as_it_was(_moment(as_of))
    if first or as_of or sure:
        if audience != Audience.internal:
            raise typer.BadParameter("only the office's own store can be asked that")
        more: dict[str, Any] = {}
        if as_of:
            build = builds.find(flow.build_as_of(_moment(as_of))["build_id"])
            more = vintages.compared(_moment(as_of), build)
        else:
            build = quarantine.current_build()
        if first:
            given = [Month.parse(text or "") for text in (first, last, base_first, base_last)]
            question = rankings.Question(scope, basis, league, ranges.KIND, ranges.BASELINE)
            opened: AbstractContextManager[duck.Connection] = ranges.ranked(build, *given)
        else:
            opened = duck.connect(build.database, read_only=True)
        with opened as con:
            rows = rankings.answer(con, question)
            found = rankings.rules(con)
            if sure:
                confidence.add(con, rows)
        if more.get("code_differs"):
            some = more["differing_tables"]
            err.print(CODE_DIFFERS.format(tables="?" if some is None else ", ".join(some) or "–"))
        name, synthetic = f"build {build.build_id}", build.facts["is_synthetic"]
        _show_ranking(rows, found, name, synthetic, as_json, **more)
        return
    with duck.connect(releases.database(audience), read_only=True) as con:
        rows = rankings.answer(con, question)
        found = rankings.rules(con)
        release_id, synthetic = con.execute(
            "SELECT release_id, is_synthetic FROM meta.release"
        ).fetchall()[0]
    if same_age:
        revisions.add_same_age(rows)
    _show_ranking(rows, found, release_id, synthetic, as_json)


def _moment(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--as-of") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_it_was(moment: datetime) -> None:
    """Ask the same of a process that works under the rules of that moment, and end as it ends."""
    environment = environment_of(vintages.rules_at(moment))
    command = [sys.executable, "-m", "pipeline", *sys.argv[1:], "--rules", "today"]
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603
    raise typer.Exit(done.returncode)


def _show_ranking(
    rows: list[Any], rules: list[Any], release_id: str, synthetic: bool, as_json: bool, **more: Any
) -> None:
    if as_json:
        print_json({
            "release": release_id,
            "is_synthetic": synthetic,
            **more,
            "rule": {rule["rule_name"]: rule["rule_value"] for rule in rules},
            "rows": [rankings.as_json(row) for row in rows],
        })  # fmt: skip
        return
    first = rows[0]
    title = (
        f"{_mark(synthetic)}{first['scope_code']} {first['league']}, {first['basis']}, "
        f"{first['period_start']} – {first['period_end']}, {first['baseline']}, "
        f"US$ FOB. {release_id}"
    )
    wanted = SAME_AGE if SAME_AGE[0] in first else list(confidence.FOUND)
    told = [name for name in wanted if any(row[name] is not None for row in rows)]
    yearly = [] if rankings.has_years(rows) else ["growth_pct_yearly"]
    print_table(title, rows, [n for n in RANKING_COLUMNS if n not in yearly] + told)
    if told:
        out.print(SAME_AGE_NOTE if wanted == SAME_AGE else CONFIDENCE_NOTE)
    for rule in rules:
        out.print(f"{rule['note_id']} · {rule['note_en']}: {rule['rule_value']} {rule['unit']}")


def _mark(synthetic: bool) -> str:
    return "DATA SINTETIS / SYNTHETIC DATA. " if synthetic else ""


def revise(
    region_code: Annotated[str | None, typer.Argument(help="BPS code; default: all")] = None,
    scope: Annotated[str | None, typer.Option(help="default: the first of seeds/scope.csv")] = None,
    basis: Basis = Basis.domicile,
    league: League = League.all,
    period_kind: PeriodKind = PeriodKind.ytd,
    period_end: Annotated[str | None, typer.Option(help="YYYY-MM-DD; default: all")] = None,
    baseline: Baseline = Baseline.years_3,
    as_json: Json = False,
) -> None:
    """Growth as it was shown 1, 3, 6 and 12 months after each period, beside what is shown now."""
    scope = scope or seeds.default_scope()
    question = rankings.Question(scope, basis, league, period_kind, baseline, _day(period_end))
    rows, sums = revisions.triangle(question, region_code)
    release = releases.current("internal") or {}
    if as_json:
        print_json({
            "release": release["release_id"],
            "is_synthetic": release["is_synthetic"],
            "revisions": sums,
            "rows": [rankings.as_json(row) for row in rows],
        })  # fmt: skip
        return
    lags = [f"growth_pct_{lag}" for lag in revisions.LAGS]
    known = [row for row in rows if any(row[lag] is not None for lag in lags)]
    title = f"{_mark(release['is_synthetic'])}{scope} {league}, {basis}, {period_kind}, {baseline}."
    print_table(
        f"{title} growth_pct_N: pertumbuhan N bulan setelah periode · growth N months after the "
        "period",
        known,
        ["period_end", "region_name", *lags, "growth_pct", "is_ranked", "maturity"],
    )
    print_table(
        "Revisi sejak itu, poin persen, semua yang diperingkat dulu dan kini · revised since, "
        "percentage points, all that were ranked then and are now",
        sums,
        list(sums[0]),
    )


def explain_region(
    region_code: Annotated[str, typer.Argument(help="BPS code: 3276 is Kota Depok")],
    scope: Annotated[str | None, typer.Option(help="default: the first of seeds/scope.csv")] = None,
    basis: Basis = Basis.domicile,
    league: League = League.all,
    period_kind: PeriodKind = PeriodKind.ytd,
    period_end: PeriodEnd = None,
    baseline: Baseline = Baseline.years_3,
    audience: Audience = Audience.internal,
    language: Annotated[Language, typer.Option(help="id or en")] = Language.id,
) -> None:
    """One page on one region's growth: place, rule, how sure, what drove it, what changed."""
    scope = scope or seeds.default_scope()
    question = rankings.Question(scope, basis, league, period_kind, baseline, _day(period_end))
    database = releases.database(audience)
    with duck.connect(database, read_only=True) as con:
        before = releases.before(audience)
        text = explain.explain(con, region_code, question, language, before)
    out.print(text, end="")
