"""Has anything rotted? Re-hash landings, rules and releases, re-check the books."""

from collections.abc import Iterator
from pathlib import Path

from pipeline import duck, releases, store
from pipeline.messages import Problem

UNREADABLE = (OSError, ValueError, KeyError, TypeError, duck.Error)
OPEN_BOOKS = """
    SELECT d.delivery_id, d.records, coalesce(sum(l.records), 0)::BIGINT AS accounted
    FROM meta.delivery d LEFT JOIN meta.ledger l USING (delivery_id)
    GROUP BY d.delivery_id, d.records
    HAVING d.records <> coalesce(sum(l.records), 0)
    ORDER BY d.delivery_id
"""


def verify() -> list[str]:
    """What is wrong, one line each; an empty list when all is sound. Reads every kept byte once."""
    return [*_landings(), *_rules(), *_ledger(), *_releases()]


def _landings() -> Iterator[str]:
    """Of every feed that there ever was. Only what was over a limit has no payload."""
    for folder in sorted((store.home() / "landing").glob("*/*/[!.]*")):
        try:
            manifest = store.read_json(folder / "manifest.json")
            expected = {"payload": manifest["sha256"]}
            if named := manifest.get("resubmits"):
                expected["return"] = named["return_sha256"]
            if manifest["refusal"] and manifest["refusal"]["code"] == "too_large":
                expected = {}
        except UNREADABLE as error:
            yield f"{folder / 'manifest.json'}: can't be read ({type(error).__name__})"
            continue
        for name, sha256 in expected.items():
            file = folder / name
            if not file.exists():
                yield f"{file}: missing"
            elif store.sha256_of(file) != sha256:
                yield f"{file}: sha256 differs from manifest.json"


def _rules() -> Iterator[str]:
    """A folder of rules is named by its hash, of seeds (under any name), suites and SQL."""
    for folder in sorted((store.home() / "rules").glob("[!.]*")):
        trees = {tree.name: tree for tree in folder.iterdir()}
        kept = [trees.pop(name, folder / name) for name in ("expectations", "warehouse")]
        if len(trees) != 1 or store.sha256_of_trees(*trees.values(), *kept) != folder.name:
            yield f"{folder}: its files are not those that it is named by"


def _ledger() -> Iterator[str]:
    for file in sorted((store.home() / "ledger").glob("2*.json")):
        try:
            _ = store.read_json(file)["kind"]
        except UNREADABLE as error:
            yield f"{file}: can't be read ({type(error).__name__})"


def _releases() -> Iterator[str]:
    for audience in releases.AUDIENCES:
        link = releases.link(audience)
        if link.is_symlink() and not (link / "release.json").exists():
            yield f"{link}: leads to no release"
        for folder in sorted((store.home() / audience / "releases").glob("2*")):
            try:
                rotten = releases.rot(folder)
                yield from (f"{file}: sha256 differs from SHA256SUMS" for file in rotten)
                yield from (f"{file}: not in SHA256SUMS" for file in releases.unlisted(folder))
                if not rotten:
                    store.read_json(folder / "release.json")
                    yield from _open_books(folder / releases.DATABASE)
            except UNREADABLE as error:
                yield f"{folder}: can't be read ({type(error).__name__})"


def _open_books(database: Path) -> list[str]:
    with duck.connect(database, read_only=True) as con:
        found = con.execute(OPEN_BOOKS).fetchall()
    return [
        str(Problem("books_open", what=f"{database} {what}", received=got, accounted=had))
        for what, got, had in found
    ]
