"""The ledger: who ran what."""

import getpass
import os

import pytest

from pipeline import ledger


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ledger.operator() == getpass.getuser()

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert ledger.operator() == f"uid {os.getuid()}"
