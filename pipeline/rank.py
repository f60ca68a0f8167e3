"""Rank: the tables that readers see, from what load has decided."""

from pipeline import duck, models


def rank(con: duck.Connection) -> None:
    """Make schemas mart, public and meta of a loaded build. Raises Problem `bad_model`."""
    models.materialise(con, "mart", "public", "meta")
