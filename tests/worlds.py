"""Small worlds with every trouble that a ranking can have, and the SQL run over one."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

import reference
from golden import CELL, table
from pipeline import duck, models, rank_sets

REGIONS = {
    "3201": ("kabupaten", "32"),
    "3216": ("kabupaten", "32"),
    "3271": ("kota", "32"),
    "3276": ("kota", "32"),
    "3171": ("kota", "31"),
}
LEAVES = [*REGIONS, "3299", "3199", "ID99"]
PORTS = ["IDTPP", "IDTPE"]
RULES = {
    "eligibility_base_share_pct": Decimal("0.1"),
    "eligibility_floor_usd": Decimal(100000),
    "eligibility_min_exporters": Decimal(3),
    "negligible_office_pct": Decimal("1.0"),
    "dominance_share_pct": Decimal(75),
    "dominance_p_pct": Decimal(10),
    "min_exporters_public": Decimal(3),
    "maturity_provisional_months": Decimal(3),
    "maturity_final_months": Decimal(12),
    "rank_set_draws": Decimal(1000),
    "rank_set_confidence_pct": Decimal(90),
    "rank_set_min_exporters": Decimal(10),
}
FIRST = 2021 * 12
NECK = """exporter_key VARCHAR, issuer_region_code VARCHAR, domicile_region_code VARCHAR,
    port_region_code VARCHAR, month DATE, hs_chapter VARCHAR, destination_code VARCHAR,
    form_code VARCHAR, fob_usd DECIMAL(18, 2), net_kg DECIMAL(18, 3), certificates BIGINT,
    lines BIGINT, flagged_usd DECIMAL(18, 2)"""
FROM_THE_NECK = (
    *("setting", "country", "region", "scope_member", "region_leaf", "basis", "calendar_month"),
    *("span", "span_month", "span_pair", "exporter_place_month", "item_month"),
    *("exporter_region_month", "region_month"),
    *(
        "exporter_number",
        "series",
        "exporter_span",
        "scope_region",
        "region_span",
        "region_gap",
        "region_pair",
        "growth",
    ),
    *("ranking",),
    *("region_margin", "exporter_moved", "item_span", "item_pair"),
)
MARTS = (
    *("growth_ranking", "rule_sensitivity", "growth_margin", "growth_driver", "shift_share"),
    *("basis_bridge", "first_place", "concentration"),
)


def first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


@st.composite
def worlds(draw: st.DrawFn) -> reference.World:
    """Small worlds with every trouble: zero bases, one exporter, ties, corrections, gaps."""
    last = FIRST + draw(st.sampled_from([38, 37, 14]))
    months = list(range(FIRST, last + 1))
    amount = st.sampled_from([Decimal(cents) / 100 for cents in (
        833334, 4000000, 4000000, 12345678, 1, 99999999, -250000)])  # fmt: skip
    rows: list[reference.Row] = []
    office_rows: list[reference.Row] = []
    is_nowhere = draw(st.integers(0, 5)) == 0  # all value is unallocated

    def add(exporter: str, domicile: str, issuer: str, month: int, usd: Decimal, n: int) -> None:
        office = ("A", "B", "C")[n % 3] if n % 50 else "D"
        port = [*PORTS, "IDPORT99"][len(exporter) % 3 if n % 7 else 0]
        common = {"domicile": domicile, "issuer": issuer, "port": port, "month": month,
                  "fob_usd": usd}  # fmt: skip
        flagged = usd if n % 4 == 0 else Decimal(0)
        rows.append({"exporter_key": exporter, "certificates": n, "flagged_usd": flagged,
                     "hs_chapter": ["94", "61", "64"][(n + month // 7) % 3],
                     "destination": ["JP", "US"][n % 2], "form": f"F{len(rows) % 4}",
                     **common})  # fmt: skip
        office_rows.append({"office": office, **common})

    for region in LEAVES:
        profile = draw(st.sampled_from(
            ["none", "one", "few", "many", "many", "many", "twin", "twin", "giant", "unknown"]
        ))  # fmt: skip
        if is_nowhere:
            profile = "none" if region in REGIONS else "many"
        if profile == "twin":  # the same figures as the region before, from other firms: a tie
            before = LEAVES[LEAVES.index(region) - 1]
            for row in [row for row in rows if row["domicile"] == row["issuer"] == before]:
                name = row["exporter_key"]
                add(f"{region} {name}", region, region, row["month"], row["fob_usd"], 1)
            continue
        firms = {"none": 0, "one": 1, "few": 2, "unknown": 1}.get(profile, 4)
        start, stop = sorted(draw(st.tuples(st.sampled_from(months), st.sampled_from(months))))
        if draw(st.booleans()):
            start, stop = FIRST, last
        for firm in range(firms):
            usd = draw(amount) if profile != "giant" or firm else Decimal(9999999)
            factor, beat = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([0, 0, 5, 7]))
            name = "unknown" if profile == "unknown" else f"{region}-{firm}"
            moves = draw(st.integers(0, 6)) == 0 and not is_nowhere
            for month in range(start, stop + 1):
                value = usd * factor if month > (start + stop) // 2 else usd
                value += usd * (month % beat) if beat else 0
                issuer = "3299" if firm == 1 else region
                elsewhere = "3276" if moves and month > (start + stop) // 2 else region
                add(name, elsewhere, issuer, month, value, firm * 13 + month)
    official = [
        {"exporter_key": "unknown", "official": port, "month": month, "certificates": 0,
         "fob_usd": usd, "flagged_usd": usd * (month % 2)}
        for at, port in enumerate((*PORTS, "IDPORT99")) for month in months
        for usd in [Decimal(4000000) * (1 + month % (5 + at))]
    ]  # fmt: skip
    blank = {(PORTS[0], draw(st.sampled_from(months)))}
    gaps = st.tuples(st.sampled_from("ABCD"), st.sampled_from(months))
    missing = draw(st.sets(gaps, max_size=3)) if draw(st.booleans()) else set()
    stale = draw(st.sets(gaps, max_size=2))
    quarantined = [
        {"basis": "domicile", "region": "3201", "month": FIRST + 2, "fob_usd": Decimal("12.34")},
        {"basis": "issuer", "region": "ID99", "month": FIRST + 3, "fob_usd": Decimal("5.00")},
        {"basis": "port", "region": "IDTPP", "month": FIRST + 4, "fob_usd": Decimal("6.00")},
        *(
            {"basis": "domicile", "region": "3216", "month": month, "fob_usd": Decimal(98765432)}
            for month in range(FIRST + 13, last + 1)
        ),
    ]
    return reference.World(
        rows=rows,
        regions=REGIONS,
        provinces=["31", "32"],
        ports=PORTS,
        scopes=["32", "31", "ID", "IDPORT"],
        first=FIRST,
        last=last,
        slices={
            (office, month): ((office, month) not in missing, (office, month) in stale)
            for office in "ABCD"
            for month in months
        },
        office_rows=office_rows,
        quarantined=quarantined,
        newest_on=draw(st.sampled_from([reference.last_day(last), date(2024, 5, 31)])),
        rules=RULES,
        official=[row for row in official if (row["official"], row["month"]) not in blank],
        blank=blank,
    )


def ranked_by_sql(con: duck.Connection, world: reference.World) -> None:
    """Put a world into the tables above the neck and below it, and make the marts."""
    provinces = [("ID", one, f"Provinsi {one}", "province", one) for one in world.provinces]
    regions = [
        ("ID", code, code, kind, province) for code, (kind, province) in world.regions.items()
    ]
    columns = (
        "region_set VARCHAR, region_code VARCHAR, region_name VARCHAR, region_kind VARCHAR, "
        "province_code VARCHAR, valid_from VARCHAR DEFAULT NULL, valid_until VARCHAR DEFAULT NULL"
    )
    table(con, "seed.region", columns, [(*row, None, None) for row in provinces + regions])
    table(con, "seed.port", "port_code VARCHAR, port_name VARCHAR", [(p, p) for p in world.ports])
    columns = "scope_code VARCHAR, region_set VARCHAR"
    scopes = [(scope, "IDPORT" if scope == "IDPORT" else "ID") for scope in world.scopes]
    table(con, "seed.scope", columns, scopes)
    columns = "country_code VARCHAR, country_name_id VARCHAR, time_zone VARCHAR, "
    country = [("ID", "Indonesia", "Asia/Jakarta", "USD")]
    table(con, "seed.country", f"{columns} currency_code VARCHAR", country)
    cells = [(r["official"], r["month"], r["fob_usd"], r["flagged_usd"]) for r in world.official]
    cells += [(port, month, None, 0) for port, month in world.blank]
    _fill(con, "core.aggregate_cell", CELL, [
        ("o", n, f"{n}", "o", "O", "IDPORT", port, first_day(month), usd, usd, None, False,
         "current", usd is None, flagged > 0)
        for n, (port, month, usd, flagged) in enumerate(cells)
    ])  # fmt: skip
    rules = [(name, str(value)) for name, value in world.rules.items()]
    table(con, "seed.rule", "rule_name VARCHAR, value VARCHAR", rules)
    last = first_day(world.last)
    covered = ("d", "certificate_line", None, first_day(world.first), last, last,
               f"{world.newest_on} 10:00:00")  # fmt: skip
    statistics = ("o", "aggregate", "IDPORT", *covered[3:])
    columns = "delivery_id VARCHAR, grain VARCHAR, region_set VARCHAR, "
    columns += "first_month DATE, month DATE, last_month DATE, landed_at TIMESTAMP"
    table(con, "core.delivery", columns, [covered, statistics] if world.official else [covered])
    columns = "feed VARCHAR, office_code VARCHAR, grain VARCHAR, region_set VARCHAR, month DATE, "
    slices = [
        ("f", office, "certificate_line", None, first_day(m), *state)
        for (office, m), state in world.slices.items()
    ]
    table(con, "core.slice_month", f"{columns} is_complete BOOLEAN, is_stale BOOLEAN", slices)
    _fill(con, "core.exporter_month", NECK, [
        (row["exporter_key"], row["issuer"], row["domicile"], row["port"], first_day(row["month"]),
         row["hs_chapter"], row["destination"], row["form"], row["fob_usd"], 1,
         row["certificates"], 1, row["flagged_usd"])
        for row in world.rows
    ])  # fmt: skip
    _fill(con, "core.office_region_month",
          "basis VARCHAR, feed VARCHAR, office_code VARCHAR, region_code VARCHAR, month DATE, "
          "fob_usd DECIMAL(18, 2)", [
        (basis, "f", row["office"], row[basis], first_day(row["month"]), row["fob_usd"])
        for row in world.office_rows for basis in ("domicile", "issuer", "port")
    ])  # fmt: skip
    columns = "basis VARCHAR, region_code VARCHAR, month DATE, quarantined_usd DECIMAL(18, 2)"
    _fill(con, "core.quarantine_month", columns, [
        (row["basis"], row["region"], first_day(row["month"]), row["fob_usd"])
        for row in world.quarantined
    ])  # fmt: skip
    models.materialise(con, "core", only=tuple(f"core.{name}" for name in FROM_THE_NECK))
    table(con, "stage.rank_set", rank_sets.TABLE, [])
    models.materialise(con, "mart", only=tuple(f"mart.{name}" for name in MARTS))


def _fill(con: duck.Connection, name: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """As golden.table, in one statement: thousands of rows in executemany take seconds."""
    table(con, name, columns, [])
    text = ", ".join(
        "(" + ", ".join(
            f"'{cell}'" if isinstance(cell, str | date) else "NULL" if cell is None else str(cell)
            for cell in row
        ) + ")"
        for row in rows
    )  # fmt: skip
    if rows:
        con.execute(f"INSERT INTO {name} VALUES {text}")
