"""Has anything rotted or gone? Re-hash landings, rules and releases, re-check the books, and look
for what the ledger and the releases name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import duck, releases, store
from pipeline.messages import Problem

Facts = dict[str, Any]
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, duck.Error)
OPEN_BOOKS = """
    SELECT d.delivery_id, d.records, coalesce(sum(l.records), 0)::BIGINT AS accounted
    FROM meta.delivery d LEFT JOIN meta.ledger l USING (delivery_id)
    GROUP BY d.delivery_id, d.records
    HAVING d.records <> coalesce(sum(l.records), 0)
    ORDER BY d.delivery_id
"""


def verify() -> list[Problem]:
    """What is wrong; an empty list when all is sound. Reads every kept byte once."""
    entries, unread = _ledger()
    return [*_landings(), *_rules(), *unread, *_releases(), *_gone(entries)]


def _missing(path: Path, source: object) -> Problem:
    return Problem("rot_missing", path=path, source=source)


def _unreadable(path: Path, error: BaseException) -> Problem:
    return Problem("rot_unreadable", path=path, error=type(error).__name__)


def _landings() -> Iterator[Problem]:
    """Of every feed that there ever was. Only what was over a limit has no payload."""
    for folder in sorted((store.home() / "landing").glob("*/*/[!.]*")):
        told = folder / "manifest.json"
        try:
            manifest = store.read_json(told)
            expected = {"payload": manifest["sha256"]}
            if named := manifest.get("resubmits"):
                expected["return"] = named["return_sha256"]
            if manifest["refusal"] and manifest["refusal"]["code"] == "too_large":
                expected = {}
        except UNREADABLE as error:
            yield _unreadable(told, error)
            continue
        for name, sha256 in expected.items():
            file = folder / name
            if not file.exists():
                yield _missing(file, told)
            elif store.sha256_of(file) != sha256:
                yield Problem("rot_changed", path=file, source=told.name)


def _rules() -> Iterator[Problem]:
    """A folder of rules is named by its hash, of seeds (under any name), suites and SQL."""
    for folder in sorted((store.home() / "rules").glob("[!.]*")):
        trees = {tree.name: tree for tree in folder.iterdir()}
        kept = [trees.pop(name, folder / name) for name in ("expectations", "warehouse")]
        if len(trees) != 1 or store.sha256_of_trees(*trees.values(), *kept) != folder.name:
            yield Problem("rot_changed", path=folder, source=folder.name)


def _ledger() -> tuple[list[Facts], list[Problem]]:
    """Its entries, and those that can't be read."""
    entries, unread = [], []
    for file in sorted((store.home() / "ledger").glob("2*.json")):
        try:
            entry = store.read_json(file)
            _ = entry["kind"]
            entries.append(entry)
        except UNREADABLE as error:
            unread.append(_unreadable(file, error))
    return entries, unread


def _releases() -> Iterator[Problem]:
    for audience in releases.AUDIENCES:
        link = releases.link(audience)
        if link.is_symlink() and not (link / "release.json").exists():
            yield _missing(link.parent / link.readlink(), link)
        for folder in sorted((store.home() / audience / "releases").glob("2*")):
            found = list(_release(folder))
            if folder.exists():  # else prune has just taken it
                yield from found


def _release(folder: Path) -> Iterator[Problem]:
    try:
        rotten = releases.rot(folder)
        for file in rotten:
            found = Problem("rot_changed", path=file, source="SHA256SUMS")
            yield found if file.exists() else _missing(file, "SHA256SUMS")
        for file in releases.unlisted(folder):
            yield Problem("rot_unlisted", path=file)
        if not rotten:
            store.read_json(folder / "release.json")
            yield from _open_books(folder / releases.DATABASE)
    except UNREADABLE as error:
        yield _unreadable(folder, error)


def _open_books(database: Path) -> list[Problem]:
    with duck.connect(database, read_only=True) as con:
        found = con.execute(OPEN_BOOKS).fetchall()
    return [
        Problem("books_open", what=f"{database} {what}", received=got, accounted=had)
        for what, got, had in found
    ]


def _gone(entries: list[Facts]) -> Iterator[Problem]:
    """What is named and is not there: landings, rules, and releases that prune did not take."""
    root = store.home()
    named: dict[Path, object] = {}
    for entry in entries:
        for name in (entry.get("extract") or {}).get("landed", []):
            named[root / "landing" / name] = f"ledger/{entry['run_id']}.json"
    for name in _delivered():
        named.setdefault(root / "landing" / name, releases.link("internal"))
    for file in (*root.glob("builds/[!.]*/build.json"), *root.glob("*/releases/2*/release.json")):
        try:
            facts = store.read_json(file)
            if sha := facts.get("rules_sha"):
                named[root / "rules" / sha] = file
            if before := facts.get("previous_release_id"):
                named[file.parent.parent / before] = file
        except FileNotFoundError:  # prune has just taken it
            continue
        except UNREADABLE as error:
            yield _unreadable(file, error)
    named |= _released(entries)
    missing = {path: source for path, source in named.items() if not path.exists()}
    for entry in _ledger()[0]:  # anew: prune tells of what it takes
        for one in entry.get("releases", []):
            missing.pop(root / one.replace("/", "/releases/"), None)
    yield from (_missing(path, source) for path, source in missing.items())


def _delivered() -> list[str]:
    """The deliveries that the current release knows."""
    try:
        with duck.connect(releases.database("internal"), read_only=True) as con:
            found = con.execute("SELECT delivery_id FROM meta.delivery").fetchall()
    except (Problem, *UNREADABLE):  # told already
        return []
    return [name for (name,) in found]


def _released(entries: list[Facts]) -> dict[Path, object]:
    """Releases that the ledger names. One older than all that are kept need not be there: a restore
    may have brought back landings, ledger and rules only."""
    found: dict[Path, object] = {}
    for audience in releases.AUDIENCES:
        folder = store.home() / audience / "releases"
        oldest = min((path.name for path in folder.glob("2*")), default="3")
        for entry in entries:
            is_public = entry["kind"] == "public" or entry.get("audience") == "public"
            if is_public == (audience == "public"):
                told = entry.get("publish") or entry
                names = (told.get("release_id"), entry.get("from_release_id"))
                source = f"ledger/{entry['run_id']}.json"
                found |= {folder / name: source for name in names if name and name > oldest}
    return found
