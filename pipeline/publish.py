"""Publish: gate a build, write its release, and move the link that readers follow."""

import csv
import io
from pathlib import Path
from typing import Any

from pipeline import (
    builds,
    changes,
    duck,
    ledger,
    movement,
    quarantine,
    releases,
    running,
    store,
    suites,
)
from pipeline.builds import Build
from pipeline.messages import Problem

FROM_BUILD = ("newest_landed_at", "rules_sha", "code_sha", "duckdb_version", "is_synthetic")
KEPT = 100  # changed slices that a release names
Release = dict[str, Any]


def publish(
    audience: str, build: Build, request: dict[str, Any], accept: str | None = None
) -> Release:
    """Publish a build for `internal` or `public`; gives release.json and `published`.

    `published` is false when the current release was already made from this build. Current stays
    where it is in each Problem: `gate_failed` (a critical expectation of the mart suite),
    `cannot_hide`, `leak`, `not_public` (of a public release: a firm could be read from it),
    `publishing_held` (after a rollback), `stale_build` (current knows a later landing), `locked`,
    `overtaken` (another public release came meanwhile),
    `movement` (too far from the current internal release, unless that is what `accept` says).
    """
    with store.in_use():
        return _publish(audience, build, request, accept)


def _publish(audience: str, build: Build, request: dict[str, Any], accept: str | None) -> Release:
    _check(audience, build)
    now = releases.current(audience)
    if now and now["build_id"] == build.build_id:
        return {**now, "published": False}
    moved = _moved(build, now, accept) if audience == "internal" else {}
    published_at = ledger.moment()
    release: dict[str, Any] = {
        "release_id": f"{store.stamp(published_at)}-{build.build_id[:8]}",
        "audience": audience,
        "build_id": build.build_id,
        "published_at": published_at.isoformat(),
        "previous_release_id": now["release_id"] if now else None,
        **{name: build.facts[name] for name in FROM_BUILD},
    }
    if audience == "internal":
        # Public meta holds no person and no free text (METHOD.md).
        release |= {"published_by": request["who"], "reason": request["reason"]}
        release |= _run(request, build, now)
        release |= {
            "trouble": build.facts["trouble"],
            "left_quarantine": _left(now, build),
            **moved,
        }
    final = store.home() / audience / "releases" / release["release_id"]
    with store.new_directory(final, mode=store.PUBLISHED_FOLDER) as folder:
        _fill(folder, build, audience, release, _last(audience))
    with store.lock("publish", request["run_id"]):
        _check(audience, build)  # another run may have published while this one wrote its files
        if releases.current(audience) != now:
            if audience == "public":  # it was attacked beside another release than this last one
                raise Problem("overtaken", build_id=build.build_id)
            _moved(build, releases.current(audience), accept)
        running.past_cancelling()
        releases.switch(audience, final)
    return {**release, "published": True}


def _run(request: dict[str, Any], build: Build, now: Release | None) -> Release:
    """Which run made the release, what it asked for, and which slices have another delivery."""
    months = request.get("months") or []
    some: list[str] = []
    if now:
        before = releases.folder_of("internal", now["release_id"]) / releases.DATABASE
        some = [row["slice"] for row in changes.between("slice", build.database, before)]
    return {
        "run_id": request["run_id"],
        "run_kind": request["kind"],
        "run_months": " – ".join(dict.fromkeys([*months[:1], *months[-1:]])) or None,
        "run_feeds": ", ".join(request.get("feeds") or []) or None,
        "changed_slices": ", ".join(some[:KEPT]) + f" … {len(some)}" * (len(some) > KEPT) or None,
    }


def _left(now: dict[str, Any] | None, build: Build) -> list[dict[str, Any]]:
    """What leaves quarantine when this build takes the current release's place."""
    if not now or not builds.exists(now["build_id"]):
        return []
    return quarantine.left(builds.find(now["build_id"]), build)


def _check(audience: str, build: Build) -> None:
    if build.facts["gate_failures"]:
        failures = ", ".join(build.facts["gate_failures"])
        raise Problem("gate_failed", build_id=build.build_id, failures=failures)
    held = ledger.hold(audience)
    if held:
        raise Problem("publishing_held", run_id=held["run_id"], reason=held["reason"])
    now = releases.current(audience)
    if now and now["newest_landed_at"] > build.facts["newest_landed_at"]:
        raise Problem("stale_build", build_id=build.build_id, release_id=now["release_id"])


def _moved(build: Build, now: Release | None, accept: str | None) -> Release:
    """What release.json says of movement against the current release. Raises Problem `movement`."""
    if now is None:
        return {}
    before = releases.folder_of("internal", now["release_id"]) / releases.DATABASE
    stops, warns = movement.found(build.database, before)
    if stops and accept != "movement":
        raise Problem(
            "movement",
            build_id=build.build_id,
            release_id=now["release_id"],
            counts=", ".join(f"{rule} {len(lines)}" for rule, lines in stops.items()),
            moved=[f"{rule}: {line}" for rule, lines in stops.items() for line in lines],
        )
    return {"accepted": stops, "moved": warns}


def _last(audience: str) -> tuple[Path, Path] | None:
    """File and build of the last public release, which readers still have, also when it was rolled
    back. Raises `no_build`."""
    if audience != "public" or not (told := releases.every(audience)):
        return None
    folder = releases.folder_of(audience, told[-1]["release_id"])
    return folder / releases.DATABASE, builds.find(told[-1]["build_id"]).database


def _fill(
    folder: Path, build: Build, audience: str, release: Release, last: tuple[Path, Path] | None
) -> None:
    """Every file of a release, all from one build; summed, then read-only."""
    # Page, workbook and hiding take half a second to import: not where nothing is published.
    from pipeline import downloads, export, page, public, workbook

    file, is_public = folder / releases.DATABASE, audience == "public"
    hidden = public.hidden(build.database, last) if is_public else export.NOTHING_HIDDEN
    export.write_database(build.database, file, audience, release, hidden)
    if is_public:
        _public_gate(build, file, last)
    with duck.connect(folder / releases.DATABASE, read_only=True) as con:
        store.write_atomic(folder / downloads.TOTALS, _control_totals(con))
        downloads.write(con, folder)
        workbook.write_ranking(con, folder / "ranking.xlsx")
        store.write_json(folder / "datapackage.json", downloads.describe(con, folder))
        page.write(con, folder, releases.database_of(audience, release["previous_release_id"]))
    store.write_json(folder / "release.json", release)
    releases.seal(folder)


def _public_gate(build: Build, file: Path, last: tuple[Path, Path] | None) -> None:
    """Suite `public` and the disclosure audit. Raises Problem `not_public`, `leak`."""
    from pipeline import public

    failures = [check.rule_name for check in suites.run_suite("public", file) if check.stops]
    if failures:
        raise Problem("not_public", build_id=build.build_id, failures=", ".join(failures))
    public.audit(build.database, file, last)


def _control_totals(con: duck.Connection) -> bytes:
    """meta.control_total as CSV: what a reader's own sums must give."""
    result = con.execute("FROM meta.control_total ORDER BY ALL")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column[0] for column in result.description or []])
    writer.writerows(result.fetchall())
    return text.getvalue().encode()


def roll_back(release_id: str, request: dict[str, Any], audience: str = "internal") -> None:
    """Point current at another release, older or newer, and hold publishing.

    The hold comes first, under the lock: a run that is about to publish, or a kill between the
    two, must not bring back what is rolled back. Raises Problem `no_release`, `release_pruned`,
    `locked`.
    """
    with store.lock("rollback", request["run_id"]):
        folder = releases.folder_of(audience, release_id)  # prune has the same lock
        now = releases.current(audience)
        switched = {"release_id": release_id, "from_release_id": now and now["release_id"]}
        ledger.record({**request, "audience": audience, **switched, "exit_code": 0})
        releases.switch(audience, folder)
