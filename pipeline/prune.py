"""Prune: what is kept and why, and what may go. Landings, the ledger and rules stay for ever.

All that goes can be made again from the landings, under the rules that are kept. Nothing goes that
a live process makes (it holds a lock in it) or works with (`store.in_use`).
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import builds, duck, ledger, log, releases, running, seeds, store
from pipeline.messages import Problem, shown
from pipeline.settings import settings

Facts = dict[str, Any]
FILES = ("verdicts", "accepted", "quarantine")
WHY = {
    "newest": ("among the newest", "termasuk yang terbaru"),
    "stands": ("a current release stands on it", "dasar rilis yang berlaku"),
    "unended": ("its run has not ended", "prosesnya belum berakhir"),
    "in_use": ("a run is at work: left alone", "ada proses bekerja: dibiarkan"),
    "current": ("current", "yang berlaku"),
    "held": ("publishing is held with it", "penerbitan ditahan dengannya"),
    "month": ("the last of its month", "yang terakhir pada bulannya"),
    "old": ("beyond the number that is kept", "melebihi jumlah yang disimpan"),
    "never": ("was never current", "tidak pernah berlaku"),
    "as_of": ("answered an --as-of question", "menjawab pertanyaan --as-of"),
    "rules": ("of rules that no kept build was made under", "dari aturan yang tidak dipakai lagi"),
    "dead": ("left by a process that is dead", "tertinggal dari proses yang mati"),
    "alive": ("a live process makes it", "sedang dibuat oleh proses"),
}
KEPT = {"newest", "stands", "unended", "in_use", "current", "held", "month", "alive"}


@dataclass(frozen=True)
class Item:
    """A thing under the data root, and why (a key of WHY) it stays or goes."""

    kind: str
    path: Path
    why: str

    @property
    def goes(self) -> bool:
        return self.why not in KEPT

    def as_dict(self) -> Facts:
        en, id_ = WHY[self.why]
        name = shown(self.path.relative_to(store.home()))
        return {
            **{"kind": self.kind, "name": name, "goes": self.goes, "bytes": _size(self.path)},
            **{"why": self.why, "why_en": en, "why_id": id_},
        }


def plan() -> list[Item]:
    """Every build, release and leftover with its fate; of files of verdicts only what goes."""
    with store.unused() as is_free:
        return _plan(is_free)


def prune(request: Facts) -> Facts:
    """Take away what may go, and say so in the ledger first; gives the entry.

    Raises Problem `locked`. Killed in the middle, the next one does the rest.
    """
    with store.lock("prune", request["run_id"]), store.unused() as is_free:
        gone = [item for item in _plan(is_free) if item.goes]
        told = [item.as_dict() for item in gone]
        entry = {
            **request,
            "builds": [item.path.name for item in gone if item.kind == "build"],
            "releases": [
                f"{item.path.parts[-3]}/{item.path.name}" for item in gone if item.kind == "release"
            ],
            "counts": {kind: sum(one["kind"] == kind for one in told)
                       for kind in sorted({one["kind"] for one in told})},
            "bytes": sum(one["bytes"] for one in told),
            "exit_code": 0,
        }  # fmt: skip
        if gone:
            ledger.record(entry)
            log.event("pruned", run=request["run_id"], bytes=entry["bytes"], **entry["counts"])
        for item in gone:
            _take_away(item)
    return entry


def after(run: Facts) -> list[Facts]:
    """Prune at the end of a night. What fails here fails no run: it is told, in both languages."""
    run_id = ledger.new_run_id("prune")
    request = {"run_id": run_id, "kind": "prune", "who": run["who"], "reason": run["run_id"]}
    try:
        done = prune({**request, "started_at": store.now().isoformat()})
    except (Problem, OSError, duck.Error) as error:
        problem = error if isinstance(error, Problem) else Problem("not_pruned", error=error)
        return [problem.as_dict()]
    if not done["counts"]:
        return []
    what = ", ".join(f"{kind} {count}" for kind, count in done["counts"].items())
    size = f"{done['bytes'] / 2**20:.0f} MiB"
    return [{"en": f"Pruned: {what}; {size}.", "id": f"Dibersihkan: {what}; {size}."}]


def _plan(is_free: bool) -> list[Item]:
    entries = ledger.entries()
    made = list(_builds(entries, is_free))
    kept = [item.path.name for item in made if not item.goes]
    return [
        *made,
        *(one for name in releases.AUDIENCES for one in _releases(name, entries, is_free)),
        *(_files(kept) if is_free else ()),
        *_leftovers(is_free),
    ]


def _builds(entries: list[Facts], is_free: bool) -> Iterator[Item]:
    """Newest by when a run last made it or found it made; an --as-of question makes none newer."""
    found = [builds.find(folder.name) for folder in _folders("builds")]
    asked = {one.build_id for one in found if "-as-of-" in one.facts["made_by"]}
    last = {one.build_id: one.facts["made_at"] for one in found if one.build_id not in asked}
    for entry in entries:
        build_id = str((entry.get("build") or {}).get("build_id"))
        last[build_id] = max(last.get(build_id, ""), entry.get("finished_at") or "")
    ordered = sorted(found, key=lambda one: last.get(one.build_id, ""), reverse=True)
    newest = [one.build_id for one in ordered if one.build_id in last][: settings().keep_builds]
    now = [releases.current(audience) for audience in releases.AUDIENCES]
    now += releases.every("public")[-1:]  # the next is attacked beside it, though rolled back
    stands = {release["build_id"] for release in now if release}
    unended = {note["run_id"] for note in running.found()}
    for one in ordered:
        why = "as_of" if one.build_id not in last else "old"
        if one.build_id in stands:
            why = "stands"
        elif one.build_id in newest:
            why = "newest"
        elif one.facts["made_by"] in unended or (why == "as_of" and _is_young(one)):
            why = "unended"
        elif not is_free:
            why = "in_use"
        yield Item("build", builds.folder_of(one.build_id), why)


def _is_young(build: builds.Build) -> bool:
    age = store.now() - datetime.fromisoformat(build.facts["made_at"])
    return age.total_seconds() < running.FORGOTTEN_S


def _releases(audience: str, entries: list[Facts], is_free: bool) -> Iterator[Item]:
    now, every = releases.current(audience), releases.every(audience)
    current = now["release_id"] if now else None
    seen = {current, *(release["previous_release_id"] for release in every)}
    for entry in entries:
        seen |= {(entry.get("publish") or entry).get("release_id"), entry.get("from_release_id")}
    held = {one.get(key) for one in ledger.holds() for key in ("release_id", "from_release_id")}
    ids = [release["release_id"] for release in every if release["release_id"] in seen]
    newest = ids[-settings().keep_releases :]
    zone = seeds.time_zone()
    months = {f"{store.parse_stamp(name).astimezone(zone):%Y-%m}": name for name in ids}
    for release in every:
        name = release["release_id"]
        why = "old"
        if name == current:
            why = "current"
        elif name in held:
            why = "held"
        elif name in newest:
            why = "newest"
        elif name in months.values():
            why = "month"
        elif name not in seen:  # written, and not switched to: refused at the last look, or killed
            why = "never" if is_free else "in_use"
        yield Item("release", store.home() / audience / "releases" / name, why)


def _files(kept: list[str]) -> Iterator[Item]:
    """What was made of deliveries under rules that no kept build knows. The newest verdict on each
    stays: of a night that stopped before its build, those are all there is."""
    known: set[tuple[str, str]] = set()
    for build_id in kept:
        with duck.connect(builds.find(build_id).database, read_only=True) as con:
            rows = con.execute("SELECT delivery_id, rules_sha FROM core.delivery").fetchall()
        known |= {(delivery_id, sha[:8]) for delivery_id, sha in rows}
    newest: dict[str, tuple[int, str]] = {}
    found: dict[tuple[str, str], list[Path]] = {}
    for tree in FILES:
        root = store.home() / tree
        for path in sorted(root.glob("*/*/[!.]*/[!.]*")):
            delivery_id, rules = "/".join(path.relative_to(root).parts[:3]), path.stem
            found.setdefault((delivery_id, rules), []).append(path)
            if tree == "verdicts":
                mark = (path.stat().st_mtime_ns, rules)
                newest[delivery_id] = max(newest.get(delivery_id, (0, "")), mark)
    for (delivery_id, rules), paths in found.items():
        if (delivery_id, rules) not in known and newest.get(delivery_id, (0, ""))[1] != rules:
            yield from (Item("file", path, "rules") for path in paths)


def _leftovers(is_free: bool) -> Iterator[Item]:
    """What dead processes left: half-made things, notes, downloads that didn't land, spill."""
    for path in store.hidden_under(store.home()):
        with store.abandoned(path) as is_dead:
            yield Item("half_made", path, "dead" if is_dead else "alive")
    work = store.home() / "work"
    notes = running.found()
    for note in notes:
        if running.is_forgotten(note):
            yield Item("note", running.file_of(note), "dead")
    if not is_free:
        return
    unended = {note["run_id"] for note in notes}
    for path in sorted(work.glob("*.problem.json")):
        if path.name.removesuffix(".problem.json") not in unended:
            yield Item("note", path, "dead")
    for path in sorted((work / "partial").glob("*")):
        if not path.suffix:  # one with a suffix is gone on with; sources drops it after a week
            yield Item("download", path, "dead")
    for path in sorted(work.glob("spill-*")):
        if time.time() - path.stat().st_mtime > running.FORGOTTEN_S:
            yield Item("spill", path, "dead")


def _take_away(item: Item) -> None:
    if item.kind == "half_made":
        with store.abandoned(item.path) as is_dead:
            if is_dead:
                store.discard(item.path)
    elif item.path.exists():
        store.remove(item.path)


def _folders(name: str) -> list[Path]:
    return sorted((store.home() / name).glob("[!.]*"))


def _size(path: Path) -> int:
    """Bytes of a file or of all under a folder; a run at work may take its own away meanwhile."""
    files = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    size = 0
    for file in [path] if path.is_symlink() or not path.is_dir() else files:
        with suppress(FileNotFoundError):
            size += file.lstat().st_size
    return size
