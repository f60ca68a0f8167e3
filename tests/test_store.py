"""Nothing is half-made: whole or absent, old or new."""

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from pipeline import store
from pipeline.messages import Problem
from pipeline.settings import settings


def test_everything_but_the_published_is_private(data_root: Path) -> None:
    home = store.home()
    for name in store.RESTRICTED:
        assert (home / name).stat().st_mode & 0o777 == 0o700, name
    assert (home / "internal" / "releases").is_dir()
    assert (home / "public" / "releases").is_dir()
    assert sorted(p.name for p in home.iterdir()) == sorted(
        [*store.RESTRICTED, "internal", "public"]
    )


def test_an_unfit_disk_is_a_clear_error(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no symlinks here")

    monkeypatch.setattr(store, "switch_link", refuse)
    with pytest.raises(Problem, match="disk_unfit") as caught:
        store.home()
    assert "no symlinks here" in caught.value.text("id")
    assert not list(settings().home.glob(".probe*"))


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    final = tmp_path / "thing"
    with pytest.raises(RuntimeError), store.new_directory(final) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError("killed here")
    assert not final.exists()
    assert list(tmp_path.iterdir()) == []
    with store.new_directory(final) as folder:
        (folder / "whole").write_text("whole")
    assert (final / "whole").read_text() == "whole"


def test_the_first_of_two_makers_stays(tmp_path: Path) -> None:
    final = tmp_path / "thing"
    with store.new_directory(final) as slow:
        (slow / "who").write_text("slow")
        with store.new_directory(final) as fast:
            (fast / "who").write_text("fast")
    assert (final / "who").read_text() == "fast"
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_a_link_switches_and_stays_relative(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        store.switch_link(tmp_path / "current", tmp_path / name)
        assert (tmp_path / "current").resolve() == tmp_path / name
    assert str((tmp_path / "current").readlink()) == "two"  # the data root may be moved or mounted


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", ".hidden", "a\n", "x" * 200, "a b"])
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(Problem, match="unsafe_name"):
        store.safe_name(name)


def _hold(ready: Event, done: Event) -> None:
    with store.lock("publish", "the-holder"):
        ready.set()
        done.wait(30)


def test_the_lock_says_who_holds_it_and_dies_with_its_holder(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSKA_LOCK_TIMEOUT_S", "0")
    settings.cache_clear()
    store.home()
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(ready, done))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(Problem, match="locked") as caught, store.lock("publish", "me"):
        pass
    assert "the-holder" in caught.value.text("en")
    holder.kill()
    holder.join(30)
    with store.lock("publish", "me"):
        pass


def test_the_hash_of_a_tree_knows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = store.sha256_of_trees(tmp_path / "a")
    assert store.sha256_of_trees(tmp_path / "a") == before
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = store.sha256_of_trees(tmp_path / "a")
    (tmp_path / "a" / "y").write_text("2")
    assert len({before, renamed, store.sha256_of_trees(tmp_path / "a")}) == 3


def test_a_landing_of_before_slices_and_modes_is_still_one(data_root: Path) -> None:
    """Landings never change, so what was landed by an earlier version must stay readable."""
    folder = store.home() / "landing" / "eska" / "BGR_2024-09" / "20241001T000000000000Z-00000000"
    store.write_json(folder / "manifest.json", {"month": "2024-09", "layout": "eska_v2"})
    (landing,) = store.landings("eska")
    assert (landing.manifest["last_month"], landing.manifest["mode"]) == ("2024-09", "snapshot")


def test_a_root_that_another_thread_is_making_is_made_whole(data_root: Path) -> None:
    """Seen: a slice was "missing" on the first night, because work/ came a moment after ledger/."""
    (data_root / "data" / "ledger").mkdir(parents=True)
    assert all((store.home() / name).is_dir() for name in store.RESTRICTED)
