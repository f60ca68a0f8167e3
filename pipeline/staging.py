"""Staging: what models are made from: seeds, deliveries with their verdicts, and their records."""

import csv
import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import duck, models, store
from pipeline.feeds import FRESH_DAYS
from pipeline.settings import settings

Verdict = dict[str, Any]

HEADER = """
    delivery_id VARCHAR, certificate_key VARCHAR, application_number VARCHAR, ska_number VARCHAR,
    status VARCHAR, kind VARCHAR, replaces_ska_number VARCHAR, status_at TIMESTAMP, issued_on DATE,
    exporter_name VARCHAR, nib VARCHAR, npwp VARCHAR, exporter_place VARCHAR,
    exporter_province VARCHAR, office_name VARCHAR, destination_code VARCHAR,
    load_port_code VARCHAR, form_code VARCHAR, peb_on DATE, currency_code VARCHAR,
    fob_peb DECIMAL(18, 2), fob_invoice DECIMAL(18, 2), fob_document DECIMAL(18, 2),
    is_third_country BOOLEAN, is_back_to_back BOOLEAN, is_retroactive BOOLEAN,
    is_synthetic BOOLEAN, flags VARCHAR[]
"""
CERTIFICATE = f"""
    {HEADER}, pebs STRUCT(peb_number VARCHAR, peb_on DATE, customs_office VARCHAR)[],
    records BIGINT, stated_usd DECIMAL(18, 2), unreadable_records BIGINT,
    all_line_fob DECIMAL(18, 2), all_net_kg DECIMAL(18, 3), main_line INTEGER
"""
GOODS = """
    line INTEGER, line_number INTEGER, hs_code VARCHAR, net_kg DECIMAL(18, 3),
    gross_kg DECIMAL(18, 3), line_fob DECIMAL(18, 2), origin_criterion VARCHAR
"""
LINE = f"delivery_id VARCHAR, certificate_key VARCHAR, {GOODS}, flags VARCHAR[]"
# A record set aside has all of its own.
RECORD = f"""
    {HEADER}, {GOODS}, registered_at TIMESTAMP, processed_at TIMESTAMP, sent_at TIMESTAMP,
    peb_number VARCHAR, customs_office VARCHAR, invoice_number VARCHAR, exported_on DATE
"""
CELL = """
    delivery_id VARCHAR, line INTEGER, cell_key VARCHAR, region_set VARCHAR, region_code VARCHAR,
    region_name VARCHAR, month DATE, hs_code VARCHAR, destination_code VARCHAR,
    fob_usd DECIMAL(18, 2), net_kg DECIMAL(18, 3), is_missing BOOLEAN, is_synthetic BOOLEAN,
    flags VARCHAR[]
"""
# What resubmissions leave of certificates that would be accepted by now.
LEFT = """
    AS c
    LEFT JOIN (
        SELECT delivery_id, certificate_key, count(*) AS records,
            count(*) - count(line_fob) AS unreadable_records,
            coalesce(sum(line_fob), 0)::DECIMAL(18, 2) AS line_fob,
            CASE WHEN count(line_fob) = count(*) AND min(line_fob) >= 0
                THEN TRY_CAST(sum(line_fob) AS DECIMAL(18, 2)) END AS all_line_fob,
            CASE WHEN count(net_kg) = count(*) AND min(net_kg) >= 0
                THEN TRY_CAST(sum(net_kg) AS DECIMAL(18, 3)) END AS all_net_kg
        FROM stage.accepted_line
        SEMI JOIN stage.resubmitted USING (delivery_id)
        GROUP BY delivery_id, certificate_key
    ) AS l USING (delivery_id, certificate_key)
    SELECT c.* REPLACE (
        coalesce(l.records, c.records) AS records,
        coalesce(l.unreadable_records, c.unreadable_records) AS unreadable_records,
        CASE WHEN l.records IS NULL THEN c.stated_usd
            WHEN c.currency_code = 'USD' THEN l.line_fob ELSE 0 END AS stated_usd,
        CASE WHEN l.records IS NULL THEN c.all_line_fob ELSE l.all_line_fob END AS all_line_fob,
        CASE WHEN l.records IS NULL THEN c.all_net_kg ELSE l.all_net_kg END AS all_net_kg,
        CASE WHEN l.records IS NULL THEN c.main_line END AS main_line
    )
    WHERE l.records IS NOT NULL
        OR c.delivery_id NOT IN (SELECT delivery_id FROM stage.resubmitted)
"""
FINDING = "STRUCT(rule_name VARCHAR, column_name VARCHAR, value VARCHAR)[]"
DELIVERY = """
    delivery_id VARCHAR, feed VARCHAR, slice_code VARCHAR, office_code VARCHAR, grain VARCHAR,
    region_set VARCHAR, resubmits VARCHAR, mode VARCHAR, month DATE, last_month DATE,
    first_month DATE, landed_at TIMESTAMP, extracted_at TIMESTAMP, verdict VARCHAR,
    records BIGINT, accepted_records BIGINT, quarantined_records BIGINT, excluded_records BIGINT,
    accepted_usd DECIMAL(18, 2), quarantined_usd DECIMAL(18, 2),
    accepted_unreadable BIGINT, quarantined_unreadable BIGINT,
    problem_codes VARCHAR, is_synthetic BOOLEAN, rules_sha VARCHAR
"""
CONTROL_TOTAL = """
    delivery_id VARCHAR, rule_name VARCHAR, column_name VARCHAR, stated DECIMAL(38, 3),
    ours DECIMAL(38, 3)
"""
RESUBMITTED = """
    delivery_id VARCHAR, line INTEGER, resubmission_id VARCHAR, stated_usd DECIMAL(18, 2),
    is_unreadable BOOLEAN
"""
# Columns of DELIVERY that a verdict has under the same name.
AS_JUDGED = (
    *("delivery_id", "feed", "slice_code", "office_code", "grain", "region_set", "mode"),
    *("landed_at", "verdict", "records", "accepted_records", "quarantined_records"),
    *("excluded_records", "is_synthetic", "rules_sha"),
)


def deliveries(
    con: duck.Connection,
    verdicts: list[Verdict],
    first_months: Mapping[str, str],
    limits: Mapping[str, tuple[str, int]] | None = None,
) -> list[Verdict]:
    """Make schema stage but for records, core.country and core.delivery; the verdicts of the
    deliveries that are current."""
    con.execute("CREATE SCHEMA stage")
    _deliveries(con, verdicts, first_months)
    limits = dict.fromkeys(first_months, ("month", FRESH_DAYS)) | dict(limits or {})
    rows = [
        {"feed": feed, "covers": covers, "fresh_days": n} for feed, (covers, n) in limits.items()
    ]
    _table(con, "stage.feed", "feed VARCHAR, covers VARCHAR, fresh_days INTEGER", rows)
    models.materialise(con, "core", only=("core.country", "core.delivery"))
    found = con.execute("SELECT delivery_id FROM core.delivery WHERE state = 'current'").fetchall()
    current = {delivery_id for (delivery_id,) in found}
    kept = [verdict for verdict in verdicts if verdict["delivery_id"] in current]
    _resubmitted(con, kept)
    return kept


def cells(con: duck.Connection, current: list[Verdict]) -> None:
    """Make stage.accepted_cell and stage.quarantine_cell: the aggregates of current deliveries."""
    some = [verdict for verdict in current if verdict["grain"] == "aggregate"]
    apart = _apart(con)
    _stage(con, "accepted_cell", CELL, _files(some, "accepted", "line.parquet"), apart)
    quarantined = f"{CELL}, findings {FINDING}, raw VARCHAR"
    _stage(con, "quarantine_cell", quarantined, _files(some, "quarantine", "row.parquet"), apart)


def certificates(con: duck.Connection, current: list[Verdict], only: str = "") -> None:
    """Make stage.accepted_line, quarantine_row and accepted_certificate of current deliveries.

    `only`: SQL after a delivery's records or certificates, to have but some of them.
    """
    some = [verdict for verdict in current if verdict["grain"] == "certificate_line"]
    apart = _apart(con)
    lines = _files(some, "accepted", "line.parquet")
    _stage(con, "accepted_line", LINE, lines, apart, only)
    quarantined = f"{RECORD}, findings {FINDING}, raw VARCHAR"
    rows = _files(some, "quarantine", "row.parquet")
    _stage(con, "quarantine_row", quarantined, rows, apart, only)
    headers = _files(some, "accepted", "certificate.parquet")
    _stage(con, "accepted_certificate", CERTIFICATE, headers, LEFT if apart else "", only)


def _apart(con: duck.Connection) -> str:
    (named,) = con.execute("SELECT count(*) FROM stage.resubmitted").fetchall()[0]
    return "ANTI JOIN stage.resubmitted USING (delivery_id, line)" if named else ""


def seeds(con: duck.Connection) -> None:
    """seeds/<name>.csv becomes seed.<name>, every column VARCHAR, blank as NULL."""
    for path in sorted(settings().seeds.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            rows = [{name: value or None for name, value in row.items()} for row in reader]
        columns = ", ".join(f"{duck.identifier(name)} VARCHAR" for name in reader.fieldnames or [])
        _table(con, f"seed.{duck.identifier(path.stem)}", columns, rows)


def _deliveries(
    con: duck.Connection, verdicts: list[Verdict], first_months: Mapping[str, str]
) -> None:
    """stage.delivery, one row per verdict; stage.row_rule, the severity of each row rule;
    stage.excluded, the records of each delivery that a rule of its layout leaves out;
    stage.control_total, the totals that offices state.
    """
    rows = [
        {
            **{name: verdict[name] for name in AS_JUDGED},
            "resubmits": verdict["resubmits"] and verdict["resubmits"]["delivery_id"],
            # A delivery taken by force is the newest there is, whatever extract time it states.
            "extracted_at": None if verdict["forced"] else verdict["extracted_at"],
            "month": f"{verdict['month']}-01",
            "last_month": verdict["last_month"] and f"{verdict['last_month']}-01",
            "first_month": f"{first_months[verdict['feed']]}-01",
            "accepted_usd": verdict["stated_usd"]["accepted"],
            "quarantined_usd": verdict["stated_usd"]["quarantined"],
            "accepted_unreadable": verdict["unreadable_records"]["accepted"],
            "quarantined_unreadable": verdict["unreadable_records"]["quarantined"],
            "problem_codes": ", ".join(sorted({one["code"] for one in verdict["problems"]}))
            or None,
        }
        for verdict in verdicts
    ]
    _table(con, "stage.delivery", DELIVERY, rows)
    severities = {
        check["rule_name"]: check["severity"]
        for verdict in verdicts
        for check in verdict["checks"]
        if check["suite"] in ("row", "aggregate")
    }
    rules = [{"rule_name": rule, "severity": severity} for rule, severity in severities.items()]
    _table(con, "stage.row_rule", "rule_name VARCHAR, severity VARCHAR", rules)
    excluded = [
        {"delivery_id": verdict["delivery_id"], "rule_name": rule, "records": records}
        for verdict in verdicts
        for rule, records in verdict["excluded"].items()
    ]
    columns = "delivery_id VARCHAR, rule_name VARCHAR, records BIGINT"
    _table(con, "stage.excluded", columns, excluded)
    totals = [
        {"delivery_id": verdict["delivery_id"], **total}
        for verdict in verdicts
        for total in verdict["control_totals"]
    ]
    _table(con, "stage.control_total", CONTROL_TOTAL, totals)


def _resubmitted(con: duck.Connection, verdicts: list[Verdict]) -> None:
    """stage.resubmitted: the records of current deliveries that resubmissions name, and what they
    state. Everything after reads a delivery without them."""
    con.execute(f"CREATE TABLE stage.resubmitted ({RESUBMITTED})")
    found = {verdict["delivery_id"]: verdict for verdict in verdicts}
    for verdict in verdicts:
        if not (named := verdict["resubmits"]):
            continue
        corrected = found[named["delivery_id"]]
        for folder, name in (("accepted", "line.parquet"), ("quarantine", "row.parquet")):
            if not (files := _files([corrected], folder, name)):
                continue
            source, amount, currency = f"read_parquet({_listed(files)}) AS g", "fob_usd", "'USD'"
            if corrected["grain"] == "certificate_line":
                amount, currency = "line_fob", "currency_code"
                if folder == "accepted":
                    headers = _files([corrected], "accepted", "certificate.parquet")
                    source += f" JOIN read_parquet({_listed(headers)}) USING (certificate_key)"
            con.execute(
                "INSERT INTO stage.resubmitted SELECT ?, g.line, ?, "
                f"CASE {currency} WHEN 'USD' THEN {amount} END, {amount} IS NULL FROM {source} "
                "ANTI JOIN stage.resubmitted AS r ON r.delivery_id = ? AND r.line = g.line "
                "WHERE g.line IN (SELECT unnest(?))",
                [
                    named["delivery_id"],
                    verdict["delivery_id"],
                    named["delivery_id"],
                    named["lines"],
                ],
            )


def _table(con: duck.Connection, name: str, columns: str, rows: list[dict[str, Any]]) -> None:
    con.execute(f"CREATE TABLE {name} ({columns})")
    duck.insert(con, name, rows)


def _files(verdicts: list[Verdict], folder: str, name: str) -> list[Path]:
    """The Parquet files of these deliveries that hold at least one record."""
    count = {"accepted": "accepted_records", "quarantine": "quarantined_records"}[folder]
    return [
        store.home() / folder / verdict["delivery_id"] / verdict["rules_sha"][:8] / name
        for verdict in verdicts
        if verdict[count]
    ]


def _listed(files: list[Path]) -> str:
    return f"[{', '.join(duck.literal(glob.escape(str(file))) for file in files)}]"


def _stage(
    con: duck.Connection,
    name: str,
    columns: str,
    files: list[Path],
    apart: str = "",
    only: str = "",
) -> None:
    """A view over the files, or over an empty table of the same shape when there are none."""
    query = f"FROM read_parquet({_listed(files)}) {apart}"
    if not files:
        con.execute(f"CREATE TABLE IF NOT EXISTS stage.no_{name} ({columns})")
        query = f"FROM stage.no_{name}"
    con.execute(f"CREATE OR REPLACE VIEW stage.{name} AS FROM ({query}) {only}")
