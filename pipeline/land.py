"""Land: keep a delivery as it came, with a manifest that says what it is; refuse what is none."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from pipeline import store
from pipeline.feeds import Feed, Slice
from pipeline.layouts import CLOCK_SKEW, Layout, load_layout
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.sources import SourceFile
from pipeline.unwrap import is_web_page

READ_ONLY = 0o400


def land(
    feed: Feed,
    part: Slice,
    file: SourceFile,
    *,
    force: bool = False,
    landed_at: datetime | None = None,
) -> store.Landing:
    """Move a fetched file to landing/<feed>/<slice>/<landed_at>-<sha8>/payload, for good.

    A refused delivery lands too, as evidence: its manifest's `refusal` says why, as a
    Problem.as_dict() of `zero_bytes`, `too_large` (the bytes are not kept), `html_page`,
    `wrong_slice`, `bad_extract_time`, `future_extract`, `older_extract` (not with `force`, and not
    of a delta).
    `landed_at` (aware; default now) is moved on if need be: it grows strictly within a slice, and
    without it over all of them.
    A file that another run has just landed is not landed again: its landing is returned.
    """
    with _turn() as turn:
        known = store.landings(feed.name, part.code)
        if twin := _twin(file, known, force):
            file.path.unlink(missing_ok=True)
            return twin
        moment = _moment(turn, known, landed_at)
        layout = load_layout(feed.layout)
        apart = force or feed.mode == "delta"  # a delta replaces nothing, so none is too old
        extracted_at, refusal = _judged(layout, part, file, [] if apart else known)
        name = f"{store.stamp(moment)}-{file.sha256[:8]}"
        manifest: dict[str, Any] = {
            "source": file.source,
            "size": file.size,
            "sha256": file.sha256,
            "token": file.token,
            "file_name": file.file_name,
            "extracted_at": extracted_at.astimezone(UTC).isoformat() if extracted_at else None,
            "landed_at": moment.astimezone(UTC).isoformat(),
            "office": part.office,
            "month": str(part.month),
            "last_month": str(part.last_month) if part.last_month else None,
            "mode": feed.mode,
            "feed": feed.name,
            "layout": feed.layout,
            "refusal": refusal.as_dict() if refusal else None,
            "forced": force,
            "resubmits": None,
        }
        files = {"payload": file.path}
        if refusal and refusal.code == "too_large":
            file.path.unlink()
            files = {}
        return _keep(f"{feed.name}/{store.safe_name(part.code)}/{name}", manifest, files)


def resubmit(
    corrected: store.Landing, manifest: dict[str, Any], files: dict[str, Path], void: set[str]
) -> store.Landing | None:
    """Land corrected records of a delivery beside it; None when this very file landed before.

    `manifest` holds what only the caller knows, `resubmits` too; `files` are moved. Of `void`,
    resubmissions that were refused, nothing is in the way. Raises Problem `already_resubmitted`.
    """
    with _turn() as turn:
        known = store.landings(corrected.feed, corrected.slice_code)
        wanted = manifest["resubmits"]
        for one in known:
            there = one.manifest["resubmits"]
            if not there or there["delivery_id"] != corrected.delivery_id:
                continue
            if there["return_sha256"] == wanted["return_sha256"]:
                return None
            taken = {*there["lines"]} & {*wanted["lines"]}
            if taken and one.delivery_id not in void:
                facts = {"delivery": corrected.delivery_id, "line": min(taken)}
                raise Problem("already_resubmitted", **facts, by=one.delivery_id)
        moment = _moment(turn, known)
        payload = files["payload"]
        as_delivered = ("office", "month", "last_month", "feed", "layout", "file_name")
        content = {
            **{name: corrected.manifest[name] for name in as_delivered},
            # No address that a feed has: extract compares a slice's sources without it.
            "source": f"resubmission:{wanted['return_sha256']}",
            "size": payload.stat().st_size,
            "sha256": store.sha256_of(payload),
            "token": None,
            "landed_at": moment.astimezone(UTC).isoformat(),
            "mode": "delta",
            "refusal": None,
            "forced": False,
            **manifest,
        }
        name = f"{store.stamp(moment)}-{content['sha256'][:8]}"
        return _keep(f"{corrected.feed}/{corrected.slice_code}/{name}", content, files)


def _keep(delivery_id: str, manifest: dict[str, Any], files: dict[str, Path]) -> store.Landing:
    """Move the files into a landing of their own, with the manifest, for good."""
    with store.new_directory(store.home() / "landing" / delivery_id) as folder:
        # The folder appears whole or not at all; flushing its files one by one as well took
        # half as long again (24 ms a landing instead of 15).
        text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
        (folder / "manifest.json").write_text(text, "utf-8")
        for name, path in files.items():
            path.rename(folder / name)
        for kept in folder.iterdir():
            kept.chmod(READ_ONLY)
    return store.Landing(delivery_id, manifest)


@contextmanager
def _turn() -> Iterator[TextIO]:
    """One landing at a time, in all processes: a rename and two small files. So `landed_at` grows
    and the older extract is told from the newer also when two runs overlap."""
    with (store.home() / "work" / "land.lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle


def _moment(
    turn: TextIO, known: list[store.Landing], landed_at: datetime | None = None
) -> datetime:
    """When it lands: later than what is known of the slice, and (unless the caller says when) than
    what landed last anywhere, as the lock's file says. By its newest landing a build is told from
    an older one, so a clock that stepped back must not make two alike."""
    before = [known[-1].landed_at] if known else []
    if landed_at is None:
        turn.seek(0)
        with suppress(ValueError):  # empty, or torn by a power cut
            before.append(store.parse_stamp(turn.read()))
    moment = max([landed_at or store.now(), *(one + timedelta(microseconds=1) for one in before)])
    if landed_at is None:
        turn.truncate(0)
        turn.write(store.stamp(moment))
        turn.flush()
    return moment


def _twin(file: SourceFile, known: list[store.Landing], force: bool) -> store.Landing | None:
    """The newest landing from the same address, if it holds the same bytes."""
    from_here = [one for one in known if one.manifest["source"] == file.source]
    if not from_here or (force and from_here[-1].manifest["refusal"]):
        return None
    return from_here[-1] if from_here[-1].manifest["sha256"] == file.sha256 else None


def _judged(
    layout: Layout, part: Slice, file: SourceFile, known: list[store.Landing]
) -> tuple[datetime | None, Problem | None]:
    """The stated extract time, if it can be read, and why the delivery is refused, if it is."""
    try:
        extracted_at = layout.extracted_at(file.file_name)
    except ValueError:
        return None, Problem("bad_extract_time", file=file.file_name)
    return extracted_at, (
        _unfit_bytes(file)
        or _other_slice(layout, part, file)
        or _wrong_time(extracted_at, file, known)
    )


def _unfit_bytes(file: SourceFile) -> Problem | None:
    if file.size == 0:
        return Problem("zero_bytes", file=file.file_name)
    if file.size > settings().max_file_mb * 2**20:
        return Problem(
            "too_large", file=file.file_name, size=file.size, limit=settings().max_file_mb
        )
    with file.path.open("rb") as handle:
        start = handle.read(4096)
    if is_web_page(start):
        return Problem("html_page", file=file.file_name, source=file.source)
    return None


def _other_slice(layout: Layout, part: Slice, file: SourceFile) -> Problem | None:
    """A name that states nothing is no contradiction, nor is a month within the slice's year."""
    stated = layout.stated_in(file.file_name)
    office = stated.get("office", part.office)
    period = stated.get("period", part.period)
    if office == part.office and (part.covers == "all" or period.startswith(part.period)):
        return None
    return Problem("wrong_slice", file=file.file_name, stated=f"{office}_{period}", due=part.code)


def _wrong_time(
    extracted_at: datetime | None, file: SourceFile, known: list[store.Landing]
) -> Problem | None:
    """Older than what landed before, or not yet: that would make all to come look older."""
    if extracted_at is None:
        return None
    if extracted_at > store.now() + CLOCK_SKEW:
        return Problem("future_extract", file=file.file_name)
    stated = [
        one.manifest["extracted_at"]
        for one in known
        if one.manifest["extracted_at"] and not one.manifest["refusal"]
    ]
    newest = max(map(datetime.fromisoformat, stated), default=None)
    if newest is None or extracted_at >= newest:
        return None
    return Problem(
        "older_extract",
        file=file.file_name,
        stated=extracted_at.isoformat(),
        newest=newest.isoformat(),
    )
