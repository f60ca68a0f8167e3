"""Has anything rotted? Re-hash landings and releases, re-check the books."""

from pathlib import Path

from pipeline import duck, feeds, releases, store
from pipeline.messages import Problem

OPEN_BOOKS = """
    SELECT d.delivery_id, d.records, coalesce(sum(l.records), 0)::BIGINT AS accounted
    FROM meta.delivery d LEFT JOIN meta.ledger l USING (delivery_id)
    GROUP BY d.delivery_id, d.records
    HAVING d.records <> coalesce(sum(l.records), 0)
    ORDER BY d.delivery_id
"""


def verify() -> list[str]:
    """What is wrong, one line each; an empty list when all is sound. Reads every kept byte once."""
    wrong = []
    for name in feeds.load_feeds():
        for landing in store.landings(name):
            if not landing.payload.exists():
                if not landing.manifest["refusal"]:
                    wrong.append(f"{landing.payload}: missing")
            elif store.sha256_of(landing.payload) != landing.manifest["sha256"]:
                wrong.append(f"{landing.payload}: sha256 differs from manifest.json")
    for audience in releases.AUDIENCES:
        for release in releases.every(audience):
            folder = releases.folder_of(audience, release["release_id"])
            rotten = releases.rot(folder)
            wrong += [f"{file}: sha256 differs from SHA256SUMS" for file in rotten]
            if not rotten:
                wrong += _open_books(folder / releases.DATABASE)
    return wrong


def _open_books(database: Path) -> list[str]:
    with duck.connect(database, read_only=True) as con:
        found = con.execute(OPEN_BOOKS).fetchall()
    return [
        str(Problem("books_open", what=f"{database} {what}", received=got, accounted=had))
        for what, got, had in found
    ]
