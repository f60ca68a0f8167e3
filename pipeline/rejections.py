"""Deliveries that an operator rejects: the ledger says so, every later build heeds it."""

from datetime import datetime
from typing import Any

from pipeline import ledger, requests, store
from pipeline.messages import Problem

Facts = dict[str, Any]


def standing(moment: datetime | None = None) -> dict[str, Facts]:
    """The ledger entries of the rejections that stand (at a moment, else now), by delivery_id."""
    found: dict[str, Facts] = {}
    for entry in ledger.entries():
        if moment and datetime.fromisoformat(entry.get("started_at") or "9999-12-31") > moment:
            continue
        if entry["kind"] == "reject":
            found[entry["delivery_id"]] = entry
        elif entry["kind"] == "unreject":
            found.pop(entry["delivery_id"], None)
    return found


def applied(verdicts: list[Facts], moment: datetime | None = None) -> list[Facts]:
    """The verdicts, with `refused` for accepted deliveries that are rejected (`rejected_by`)."""
    by = standing(moment)
    return [_refused(one, by[one["delivery_id"]]) if one["delivery_id"] in by else one
            for one in verdicts]  # fmt: skip


def _refused(verdict: Facts, entry: Facts) -> Facts:
    if verdict["verdict"] == "refused":
        return verdict
    told = Problem("rejected", who=entry["who"], reason=entry["reason"])
    facts = {"verdict": "refused", "problems": [told.as_dict()], "rejected_by": entry["run_id"]}
    return verdict | facts


def reject(delivery_id: str, reason: str, undo: bool = False) -> Facts:
    """Write into the ledger that a delivery is rejected, or no more; gives the entry.

    Raises Problem `no_reason`, `no_delivery`, `rejected_already`, `not_rejected`.
    """
    entry = requests.made("unreject" if undo else "reject", reason, ledger.operator())
    parts = [store.safe_name(part) for part in delivery_id.split("/")]
    root = store.home() / "landing"
    if len(parts) != 3 or not (root.joinpath(*parts) / "manifest.json").exists():
        known = sorted(root.glob(f"*/{parts[:2][-1]}/[!.]*"))[-5:]
        names = ", ".join("/".join(path.parts[-3:]) for path in known)
        raise Problem("no_delivery", value=delivery_id, known=names or "–")
    known_by = standing().get(delivery_id)
    if known_by and not undo:
        raise Problem("rejected_already", delivery_id=delivery_id, run_id=known_by["run_id"])
    if undo and not known_by:
        raise Problem("not_rejected", delivery_id=delivery_id)
    entry |= {"delivery_id": delivery_id, "exit_code": 0}
    ledger.record(entry)
    return entry
