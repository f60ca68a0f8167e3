"""Whatever arrives: every physical record ends in exactly one state, every time.

`make test` throws a few runs of a hundred generated deliveries at land, validate and load;
`make property` a hundred runs, 10,000 deliveries. A failure names the seed and the delivery.
"""

import glob
import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from generated import Generated, batch, write_layouts
from pipeline import duck, feeds, land, load, models, settings, sources, store, validate
from pipeline.periods import Month

RUNS = int(os.environ.get("IPSKA_PROPERTY_RUNS", "3"))
FILES = (("accepted", "line"), ("quarantine", "row"), ("quarantine", "excluded"))
FEEDS = {"eska_v2": "eska"}  # the feed of a layout, where they aren't called the same


def arrive(one: Generated, feed: feeds.Feed) -> store.Landing:
    path = store.home() / "work" / "generated"
    path.write_bytes(one.content)
    sha256 = hashlib.sha256(one.content).hexdigest()
    file = sources.SourceFile(path, "memory", None, one.file_name, sha256, len(one.content))
    return land.land(feed, feeds.Slice(one.office, Month.parse(one.month)), file)


def lines_of(con: duck.Connection, verdict: validate.Verdict) -> Counter[int]:
    """How often each physical line stands in what was written for a delivery."""
    found: Counter[int] = Counter()
    for folder, name in FILES:
        file = store.home() / folder / verdict["delivery_id"] / verdict["rules_sha"][:8]
        for path in file.glob(f"{name}.parquet"):
            query = "SELECT line FROM read_parquet(?)"
            found.update(n for (n,) in con.execute(query, [glob.escape(str(path))]).fetchall())
    return found


def needed_by(table: str) -> list[models.Model]:
    """The models that a table is made from, and its own."""
    found, wanted = [], {table}
    for model in reversed(models.all_models()):
        if model.full_name in wanted:
            found.insert(0, model)
            wanted |= model.inputs
    return found


@pytest.mark.parametrize("seed", range(RUNS))
def test_every_record_ends_in_exactly_one_state(
    seed: int, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSKA_MEMORY_LIMIT", "500MB")
    monkeypatch.setenv("IPSKA_HOME", str(data_root / "da'ta [x] 100%"))
    seeds = shutil.copytree(settings.ROOT / "seeds", data_root / "seeds")
    write_layouts(seeds)
    monkeypatch.setenv("IPSKA_SEEDS", str(seeds))
    settings.settings.cache_clear()
    made = batch(seed, 100)
    known = feeds.load_feeds()
    landed = {one: arrive(one, known[FEEDS.get(one.layout, one.layout)]) for one in made}
    landings = list({landing.delivery_id: landing for landing in landed.values()}.values())
    verdicts = {one["delivery_id"]: one for one in validate.validate(landings)}

    reader = duck.connect()
    for one, landing in landed.items():
        verdict = verdicts[landing.delivery_id]
        told = f"seed {seed}, {landing.delivery_id}: {verdict['problems']}"
        if verdict["verdict"] == "refused":
            assert verdict["problems"], told
            assert all(problem["en"] and problem["id"] for problem in verdict["problems"])
            assert not lines_of(reader, verdict), told
        else:
            assert one.records in (verdict["records"], None), told
            lines = lines_of(reader, verdict)
            assert lines.total() == verdict["records"], told
            assert set(lines.values()) <= {1}, told

    sound = [verdict for verdict in verdicts.values() if verdict["verdict"] == "accepted"]
    assert len(sound) > len(made) / 4, f"seed {seed}: nearly everything is refused"
    books = needed_by("core.ledger")
    monkeypatch.setattr(models, "all_models", lambda: books)
    with duck.connect() as con:
        first_months = {name: str(feed.first_month) for name, feed in known.items()}
        load.load(con, list(verdicts.values()), first_months)
        booked = dict(
            con.execute("SELECT delivery_id, sum(records) FROM core.ledger GROUP BY ALL").fetchall()
        )
        states = {state for (state,) in con.execute("SELECT state FROM core.ledger").fetchall()}
    assert {k: n for k, n in booked.items() if n} == {
        name: verdict["records"] for name, verdict in verdicts.items() if verdict["records"]
    }, f"seed {seed}: the books don't close"
    assert states >= {"current", "quarantined", "superseded", "refused"}
