"""verify: whatever has rotted is found and named; nothing that has rotted stops it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deliveries import land
from pipeline import builds, duck, ledger, settings, store, verify
from pipeline.messages import Problem
from test_cli import call


def release(records: int = 1, name: str = "20240401-x", delivery: str = "d", **facts: str) -> Path:
    """A release with its database and sums, current."""
    folder = store.home() / "internal" / "releases" / name
    folder.mkdir()
    with duck.connect(folder / "ekspor.duckdb") as con:
        con.execute("CREATE SCHEMA meta")
        con.execute(
            f"CREATE TABLE meta.delivery AS SELECT '{delivery}' AS delivery_id, "
            f"{records} AS records"
        )
        con.execute(f"CREATE TABLE meta.ledger AS SELECT '{delivery}' AS delivery_id, 1 AS records")
    store.write_json(folder / "release.json", facts)
    names = ("ekspor.duckdb", "release.json")
    sums = "".join(f"{store.sha256_of(folder / name)}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text(sums)
    store.switch_link(store.home() / "internal" / "current", folder)
    return folder


@pytest.fixture
def root(data_root: Path) -> Path:
    """A sound data root: a landing, one over a limit, one of a feed that is no more, rules, a run,
    a release."""
    landed = [land("x").delivery_id, land("y", feed="gone").delivery_id]
    large = land("z", month="2022-11", refusal={"code": "too_large"})
    large.payload.unlink()
    more = {"landed": [large.delivery_id]}
    limit = settings.settings()
    rules = store.sha256_of_trees(limit.seeds, limit.expectations, limit.warehouse)
    builds.keep_rules(rules)
    first = {"run_id": "20240401", "kind": "nightly", "extract": {"landed": landed}}
    ledger.record({**first, "publish": {"release_id": "20240401-x"}})
    release(delivery=landed[0], rules_sha=rules)
    second = {"kind": "nightly", "extract": more, "publish": {"release_id": "20240402-x"}}
    ledger.record({"run_id": "20240402", **second})
    release(name="20240402-x", delivery=landed[0], previous_release_id="20240401-x")
    return data_root / "data"


def told() -> list[str]:
    return [problem.text() for problem in verify.verify()]


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
    found = told()
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
    (line, _) = told()  # nor is its landing there
    assert "received 2, accounted for 1" in line


@pytest.mark.parametrize(
    ("pattern", "named_by"),
    [
        ("landing/eska/*/*", "ledger/20240401.json"),
        ("landing/eska/*_2022-11/*", "ledger/20240402.json"),
        ("rules/*", "release.json"),
        ("internal/releases/20240401-x", "release.json"),
        ("internal/releases/20240402-x", "internal/current"),
    ],
)
def test_what_is_gone_is_found(root: Path, pattern: str, named_by: str) -> None:
    victim = one(pattern)(root)
    shutil.rmtree(victim)
    (problem, *_) = [found for found in verify.verify() if str(victim) in found.text()]
    assert problem.code == "rot_missing" and named_by in problem.text()


def test_a_release_in_the_middle_is_missed_by_the_ledger(root: Path) -> None:
    release(name="20240403-x")
    shutil.rmtree(root / "internal/releases/20240402-x")
    assert any("20240402-x is missing; ledger/20240402.json names it" in line for line in told())


@pytest.mark.parametrize("kind", ["public", "rollback"])
def test_a_public_release_is_missed_too(root: Path, kind: str) -> None:
    shutil.copytree(root / "internal/releases/20240401-x", root / "public/releases/20240401-x")
    ledger.record({"run_id": "20240403", "kind": kind, "release_id": "20240402-y",
                   "audience": "public"})  # fmt: skip
    (line,) = told()
    assert "public/releases/20240402-y is missing; ledger/20240403.json names it" in line


def test_what_prune_took_is_not_missed(root: Path) -> None:
    prune = {"kind": "prune", "releases": ["internal/20240401-x"]}
    ledger.record({"run_id": "20240403", **prune})
    shutil.rmtree(root / "internal/releases/20240401-x")
    assert told() == []


def test_after_a_restore_without_releases_none_is_missed(root: Path) -> None:
    shutil.rmtree(root / "internal")
    assert told() == []
    (root / "internal/releases").mkdir(parents=True)
    release(name="20240405-x", delivery=sorted((root / "landing").glob("*/*/*"))[0].relative_to(
        root / "landing").as_posix())  # fmt: skip
    assert told() == []


def test_the_command_says_it_in_both_languages(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "verify")[:2] == (0, "utuh / sound\n")
    one("landing/eska/*/*/payload")(root).unlink()
    code, out, err = call(capsys, "verify")
    assert code == 1 and "rotten: 1" in out and "docs/runbook.md#rot_missing" in err
    assert (
        "tidak ada; " in err and "is missing; " in err and isinstance(verify.verify()[0], Problem)
    )
