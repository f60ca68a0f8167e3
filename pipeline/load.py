"""Load: one build of everything accepted; places, exporters and values decided, books kept."""

from collections.abc import Mapping

from pipeline import duck, models, staging
from pipeline.staging import Verdict


def load(
    con: duck.Connection,
    verdicts: list[Verdict],
    first_months: dict[str, str],
    limits: Mapping[str, tuple[str, int]] | None = None,
) -> None:
    """Fill an empty build file with schemas seed and core, from the verdicts of all landings.

    `first_months` says for each feed the month (YYYY-MM) before which it owes nothing, `limits`
    what its slices cover and how many days after their end they are due. Files are read from
    accepted/ and quarantine/; of superseded and refused deliveries nothing is read.
    Raises duckdb.Error when a file that a verdict promises is missing, KeyError on a verdict or a
    feed that is not complete, Problem `bad_model`.
    """
    # Tables have no order; to keep one, DuckDB holds in memory what it could write away.
    con.execute("SET preserve_insertion_order = false")
    con.execute("CREATE SCHEMA seed")
    staging.seeds(con)
    kept = staging.deliveries(con, verdicts, first_months, limits)
    staging.cells(con, kept)
    staging.certificates(con, kept)
    models.materialise(con, "core")
    con.execute("DROP SCHEMA stage CASCADE")
