"""verify: whatever has rotted is found and named; nothing that has rotted stops it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deliveries import land
from pipeline import builds, duck, ledger, settings, store, verify


def release(records: int = 1) -> Path:
    """A release with its database and sums, current."""
    folder = store.home() / "internal" / "releases" / "20240401-x"
    folder.mkdir()
    with duck.connect(folder / "ekspor.duckdb") as con:
        con.execute("CREATE SCHEMA meta")
        con.execute(
            f"CREATE TABLE meta.delivery AS SELECT 'd' AS delivery_id, {records} AS records"
        )
        con.execute("CREATE TABLE meta.ledger AS SELECT 'd' AS delivery_id, 1 AS records")
    store.write_json(folder / "release.json", {})
    names = ("ekspor.duckdb", "release.json")
    sums = "".join(f"{store.sha256_of(folder / name)}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text(sums)
    store.switch_link(store.home() / "internal" / "current", folder)
    return folder


@pytest.fixture
def root(data_root: Path) -> Path:
    """A sound data root: a landing, one over a limit, one of a feed that is no more, rules, a run,
    a release."""
    land("x")
    land("y", feed="gone")
    large = land("z", month="2022-11", refusal={"code": "too_large"})
    large.payload.unlink()
    limit = settings.settings()
    rules = store.sha256_of_trees(limit.seeds, limit.expectations, limit.warehouse)
    builds.keep_rules(rules)
    ledger.record({"run_id": "20240401", "kind": "nightly"})
    release()
    return data_root / "data"


def test_a_sound_root_is_sound(root: Path) -> None:
    assert verify.verify() == []


def one(pattern: str) -> Callable[[Path], Path]:
    return lambda root: next(iter(sorted(root.glob(pattern))))


@pytest.mark.parametrize(
    "pattern",
    [
        "landing/*/*/*/payload",
        "landing/*/*/*/manifest.json",
        "rules/*/seeds/rule.csv",
        "ledger/*.json",
        "internal/releases/*/ekspor.duckdb",
        "internal/releases/*/release.json",
        "internal/releases/*/SHA256SUMS",
    ],
)
@pytest.mark.parametrize("how", ["changed", "emptied", "removed"])
def test_each_kind_of_rot_is_found(root: Path, pattern: str, how: str) -> None:
    if pattern.startswith("ledger") and how == "removed":
        pytest.skip("nobody knows of an entry that is gone")
    victim = one(pattern)(root)
    victim.chmod(0o600)
    if how == "removed":
        victim.unlink()
    else:
        victim.write_bytes(b"{" if how == "changed" else b"")
    found = verify.verify()
    assert found and all(str(root) in line for line in found)
    assert any(str(part) in found[0] for part in (victim, *list(victim.parents)[:3]))


def test_a_file_in_rules_that_was_not_there_is_found(root: Path) -> None:
    one("rules/*/seeds")(root).joinpath("more.csv").write_text("x")
    assert len(verify.verify()) == 1


def test_a_file_in_a_release_that_was_not_there_is_found(root: Path) -> None:
    one("internal/releases/*")(root).joinpath("more.csv").write_text("x")
    assert len(verify.verify()) == 1


def test_a_current_that_leads_nowhere_is_found(root: Path) -> None:
    (root / "internal/current").unlink()
    (root / "internal/current").symlink_to("releases/nothing")
    assert len(verify.verify()) == 1


def test_books_that_do_not_close_are_found(data_root: Path) -> None:
    store.home()
    release(records=2)
    (line,) = verify.verify()
    assert "received 2, accounted for 1" in line
