"""Models: read from their files, ordered by what they read, made in that order."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import duck, models, settings
from pipeline.messages import Problem

HEADER = "-- en: Title\n-- id: Judul\n-- grain: a, b\n"
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a model file into a warehouse folder of the test's own."""
    monkeypatch.setenv("IPSKA_WAREHOUSE", str(tmp_path / "warehouse"))
    settings.settings.cache_clear()

    def one(name: str, text: str) -> None:
        path = tmp_path / "warehouse" / (name.replace(".", "/") + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    yield one
    settings.settings.cache_clear()


def test_a_model_is_what_its_file_says(write: Write) -> None:
    write("core.first", HEADER + "WITH x AS (SELECT 1 AS a) SELECT x.a, 2 AS b FROM x, seed.s")
    (model,) = models.all_models()
    assert (model.schema, model.name, model.full_name) == ("core", "first", "core.first")
    assert model.grain == ("a", "b")
    assert (model.title_en, model.title_id) == ("Title", "Judul")
    assert model.inputs == {"seed.s"}, "a CTE is no input"


def test_inputs_come_before_what_reads_them(write: Write) -> None:
    write("core.a", HEADER + "SELECT * FROM core.z")
    write("core.z", HEADER + "SELECT 1 AS a, 2 AS b")
    write("mart.b", HEADER + "SELECT * FROM core.a JOIN (SELECT * FROM core.z) USING (a)")
    assert [model.full_name for model in models.all_models()] == ["core.z", "core.a", "mart.b"]
    with duck.connect() as con:
        models.materialise(con, "core", only=("core.z",))
        assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("z",)]
        models.materialise(con, "core")
        models.materialise(con, "mart")
        assert con.execute("FROM mart.b").fetchall() == [(1, 2, 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-- en: T\n-- grain: a\nSELECT 1 AS a", "-- id"),
        ("SELECT 1 AS a", "-- en"),
        (HEADER + "SELECT FROM WHERE (", "core/bad.sql"),
        (HEADER + "DELETE FROM core.bad", "core/bad.sql"),
        (HEADER + "SELECT 1 AS a; SELECT 2 AS a", "not one statement"),
        (HEADER, "not one statement"),
        (HEADER + "SELECT * FROM core.nowhere", "no model core.nowhere"),
        (HEADER + "SELECT * FROM core.bad", "circle"),
    ],
)
def test_a_bad_model_is_named(write: Write, text: str, said: str) -> None:
    write("core.bad", text)
    with pytest.raises(Problem, match="bad_model") as caught:
        models.all_models()
    assert said in str(caught.value)


def test_the_public_never_sees_the_office_tables() -> None:
    internal, public = models.published("internal"), models.published("public")
    assert {model.schema for model in internal} == {"mart", "meta"}
    assert {model.schema for model in public} == {"public"}
    shown = {(model.published_schema, model.name) for model in internal}
    assert ("mart", "growth_ranking") in shown
    # Which firms' paperwork moved where, and shares below a region's total: the office's own.
    names = ("growth_margin", "shift_share", "basis_bridge", "concentration")
    office = {("mart", name) for name in names} | {("meta", "freshness")}
    assert {(model.published_schema, model.name) for model in public} == shown - office


def test_every_model_has_both_titles_and_publishes_a_grain() -> None:
    found = models.all_models()
    assert len(found) > 30
    for model in found:
        assert model.title_en and model.title_id and model.title_en != model.title_id
        assert model.grain or model.schema == "core", model.full_name


def test_column_descriptions_speak_both_languages() -> None:
    described = models.column_descriptions()
    assert "fob_usd" in described
    assert list(described) == sorted(described)
    for english, indonesian in described.values():
        assert english and indonesian
