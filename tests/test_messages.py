"""What people read: both languages, hostile values made harmless."""

import pickle

from pipeline.messages import Problem, catalogue, shown


def test_every_message_has_both_languages_and_a_next_step() -> None:
    assert len(catalogue()) > 20
    for code, entry in catalogue().items():
        assert all(entry[key].strip() for key in ("en", "id", "next_en", "next_id")), code
        assert entry["en"] != entry["id"], code


def test_terminal_escapes_newlines_and_bidi_marks_are_shown_not_sent() -> None:
    hostile = "x\x1b[31mred\nnext\u202eabc\0"
    assert shown(hostile) == r"x\x1b[31mred\nnext\u202eabc\x00"
    assert "\x1b" not in Problem("bad_month", value=hostile).text("en")


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 10_000)) == 200


def test_braces_in_a_value_are_not_a_format() -> None:
    assert "{0.__class__}" in Problem("bad_month", value="{0.__class__}").text("en")


def test_a_problem_survives_another_process() -> None:
    again = pickle.loads(pickle.dumps(Problem("bad_month", value="x")))  # noqa: S301
    assert again.text("id") == Problem("bad_month", value="x").text("id")
