"""A reference: what the libraries suggest who doesn't know the data. pandas reads and converts,
Great Expectations checks the frame in memory, DuckDB gets it and ranks. The same files, some twenty
of the same rules; nothing is set aside, resolved or published."""

import json
from pathlib import Path

from floor import MONTHS, RANKING

NUMBERS = {".": "", ",": "."}


def run(files: list[Path], layout: str, database: Path) -> None:
    import great_expectations as gx
    import pandas as pd

    from pipeline import duck, layouts

    known = layouts.load_layout(layout)
    months = {name: f"{n:02d}" for n, name in enumerate(MONTHS.split(), 1)}
    frames = [
        pd.read_csv(
            file, sep=";", dtype=str, encoding="utf-8-sig", na_values=list(known.nulls),
            keep_default_na=False, on_bad_lines="skip",
        )
        for file in files
    ]  # fmt: skip
    frame = pd.concat(frames, ignore_index=True).rename(columns=known.columns)
    del frames
    for column in frame.columns:
        if column.startswith("fob_") or column.endswith("_kg") or column == "line_fob":
            text = frame[column]
            for mark, plain in NUMBERS.items():
                text = text.str.replace(mark, plain, regex=False)
            frame[column] = pd.to_numeric(text, errors="coerce")
        if column.endswith("_on") or column.endswith("_at"):
            day = frame[column].str.replace(",", "", regex=False).str.split(" ", expand=True)
            day = day.reindex(columns=range(3)).astype("str")  # some are written as ISO throughout
            local = day[2].str[:4] + "-" + day[1].map(months) + "-" + day[0].str.zfill(2)
            whole = local.where(day[1].isin(list(months)), day[0])
            if column.endswith("_at"):
                whole = whole + " " + frame[column].str[-8:]
            frame[column] = pd.to_datetime(whole, errors="coerce")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("frame").add_dataframe_asset("line")
    batch = batch.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="line", expectations=_expectations(list(frame.columns)))
    found = batch.validate(suite, result_format="BASIC")
    if found.statistics["evaluated_expectations"] < 15:
        raise SystemExit(json.dumps(found.statistics))
    with duck.connect(database) as con:
        con.execute("CREATE TABLE line AS FROM frame")
        if len(con.execute(RANKING).fetchall()) < 2:
            raise SystemExit("the reference ranked nothing")
    database.unlink()


def _expectations(columns: list[str]) -> list[dict[str, object]]:
    """Rules of expectations/row.json as far as a frame's columns say them without more code."""
    match, in_set, between = (
        f"expect_column_values_to_{rule}" for rule in ("match_regex", "be_in_set", "be_between")
    )
    days = {"min_value": "1990-01-01", "max_value": "2026-12-31"}
    kinds: list[tuple[str, str, dict[str, object]]] = [
        (match, "ska_number", {"regex": r"^\d{7}/[A-Z0-9]{2,5}/\d{4}$"}),
        (in_set, "kind", {"value_set": ["Baru", "Perubahan", "Duplikat"]}),
        (match, "nib", {"regex": r"^\d{13}$"}),
        (match, "hs_code", {"regex": r"^\d{6,10}$"}),
        (match, "load_port", {"regex": "^ID[A-Z0-9]{3}"}),
        (between, "fob_document", {"min_value": 0}),
        (between, "line_fob", {"min_value": 0}),
        (between, "net_kg", {"min_value": 0}),
        (between, "issued_on", days),
        (between, "status_at", days),
        ("expect_compound_columns_to_be_unique", "",
         {"column_list": ["ska_number", "line_number"]}),
    ]  # fmt: skip
    needed = ("ska_number", "status", "kind", "status_at", "issued_on", "nib", "exporter_place",
              "importer_country", "form_code", "fob_document", "hs_code", "line_fob")  # fmt: skip
    kinds += [("expect_column_values_to_not_be_null", name, {}) for name in needed]
    return [
        {"type": kind, "severity": "critical", "kwargs": {"column": name} | more if name else more}
        for kind, name, more in kinds
        if not name or name in columns
    ]
