"""Were the suites not run, the tests would say so: those chosen here must all go red."""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CHOSEN = (
    *("test_validate.py::test_a_broken_row_trips_its_rule",),  # every bad row of row_cases.py
    "test_suites.py::test_every_expectation_on_a_delivery",
    "test_gates.py::test_great_expectations_finds_just_what_was_broken",
    "test_movement.py::test_a_rule_is_silent_on_a_small_move_and_speaks_on_a_large_one",
    "test_movement.py::test_a_build_that_moves_too_far_waits_for_a_person",
)


def test_without_the_suites_the_tests_go_red() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "all_passed", "-p", "no:xdist", "--tb=no", "-vv",
         "-p", "no:cacheprovider", *(str(HERE / one) for one in CHOSEN)],
        capture_output=True, text=True, cwd=HERE.parent, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parent}"},
    )  # fmt: skip
    failed = re.findall(r"::(\w+)(?:\[.*\])? FAILED", done.stdout)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert set(failed) == {one.split("::")[1] for one in CHOSEN}
    assert len(failed) > 60
    assert not re.search(r" (PASSED|ERROR)\b", done.stdout), done.stdout[-3000:]
