"""The log says what it is about, is quiet, shows what is hostile, and holds no secret."""

import base64
import json
import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import two_months
from pipeline import cli, extract, flow, layouts, ledger, log, requests, settings, store
from pipeline.feeds import load_feeds
from pipeline.messages import Problem
from pipeline.periods import Month
from servers import Site, web_server

LOGIN, PASSWORD, TOKEN, EXTRA = "pengguna", "s3cret-word", "s3cret-token", "s3cret-extra"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cretkey+s3cretkey/AAA\n-----END"
SECRETS = [
    *(PASSWORD, TOKEN, EXTRA, "s3cretkey"),
    base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode(),
    base64.b64encode(PASSWORD.encode()).decode(),
]
LINE = re.compile(r'event=\w+( \w+=("(?:[^"\\]|\\.)*"|[^ "=]+))*')


@pytest.fixture
def site(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web feed whose address holds a token, and whose connection holds every kind of secret."""
    with web_server() as site:
        url = f"{site.url}?token={TOKEN}"
        (data_root / "feeds.toml").write_text(
            f'[kantor]\nlayout = "eska_v2"\nurl = "{url}"\nmode = "snapshot"\n'
            'offices = ["BGR"]\nfirst_month = "2024-08"\nconnection = "kantor_web"\n',
            "utf-8",
        )
        fields = {
            **{"conn_type": "http", "login": LOGIN, "password": PASSWORD, "host": "127.0.0.1"},
            "extra": {"private_key": KEY, "other": EXTRA},
        }
        for name, value in {
            "IPSKA_FEEDS": str(data_root / "feeds.toml"),
            "AIRFLOW_CONN_KANTOR_WEB": json.dumps(fields),
            "IPSKA_FETCH_BACKOFF_S": "0",
            "IPSKA_FETCH_RETRIES": "1",
            "IPSKA_FETCH_TIMEOUT_S": "5",
            "NO_PROXY": "127.0.0.1,localhost",
        }.items():
            monkeypatch.setenv(name, value)
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        yield site


def run() -> dict[str, Any]:
    request = requests.backfill("2024-08", "2024-09", None, "a test", store.now())
    extracted = flow.extract(request)
    return flow.conclude(request, extracted)


@pytest.mark.parametrize("case", [
    "success", "denied", "broken", "cut", "moved", "web page", "no host", "bad connection",
])  # fmt: skip
def test_no_secret_in_anything_that_is_written(
    site: Site,
    data_root: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)  # of every library too
    log.to_stderr()
    feeds = data_root / "feeds.toml"
    if case == "denied":
        site.authorization = "Basic of somebody else"
    elif case == "broken":
        site.heads, site.script = [500] * 9, [500] * 9
    elif case == "cut":
        site.script = [-1000] * 9
    elif case == "moved":
        site.redirect = f"http://example.go.id/?token={TOKEN}"
        monkeypatch.setenv("IPSKA_FETCH_TIMEOUT_S", "1")
        settings.settings.cache_clear()
    elif case == "web page":
        site.body = b"<!DOCTYPE html><html>log in</html>"
    elif case == "no host":
        feeds.write_text(feeds.read_text("utf-8").replace(f":{site.port}", ":9"), "utf-8")
    elif case == "bad connection":
        monkeypatch.setenv("AIRFLOW_CONN_KANTOR_WEB", f'{{"password": "{PASSWORD}", "extra"')
    report = run()
    told = [json.dumps(report, default=str), caplog.text, *capfd.readouterr()]
    for problem in [record.exc_info for record in caplog.records if record.exc_info]:
        told.append("".join(traceback.format_exception(*problem)))
    failed = report["extract"]["failed"]
    assert bool(failed) == (case not in ("success", "web page")), failed
    written = {path: path.read_bytes() for path in store.home().rglob("*") if path.is_file()}
    assert len(written) >= 2  # the entry of the ledger, at least
    for secret in SECRETS:
        assert not [text for text in told if secret in text], (case, secret)
        assert not [path for path, data in written.items() if secret.encode() in data]
    assert ("event=not_fetched" if failed else "event=landed") in caplog.text


def test_a_problem_of_a_fetch_holds_no_secret_in_its_chain(site: Site) -> None:

    site.heads, site.script = [500] * 9, [500] * 9
    feed = load_feeds()["kantor"]
    (part,) = feed.slices([Month(2024, 9)])
    secret = SecretStr(settings.airflow_connection("kantor_web") or "")
    with pytest.raises(Problem) as raised:
        extract.fetch(feed, part, [], False, secret)
    text = "".join(traceback.format_exception(raised.value))
    assert not [one for one in SECRETS if one in text]


def test_each_delivery_and_step_is_one_line_that_says_what_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    two_months.use(monkeypatch, tmp_path)
    two_months.prepare(tmp_path)
    report = two_months.run()
    lines = [record.getMessage() for record in caplog.records if record.name == "ipska"]
    assert all(LINE.fullmatch(line) for line in lines)
    assert all(f"run={report['run_id']}" in line for line in lines)
    landed = [line for line in lines if line.startswith("event=landed ")]
    assert len(landed) == len(report["extract"]["landed"]) > 10
    for line in landed:
        facts = dict(re.findall(r"(\w+)=(\S+)", line))
        feed, slice_code, _ = facts["delivery"].split("/")
        assert (facts["feed"], facts["slice"], facts["step"]) == (feed, slice_code, "extract")
    judged = [line for line in lines if line.startswith("event=judged ")]
    assert len(judged) == report["validate"]["validated"]
    for line in judged:
        facts = dict(re.findall(r"(\w+)=(\S+)", line))
        assert (facts["feed"], facts["slice"]) == tuple(facts["delivery"].split("/")[:2])
    steps = [re.findall(r"step=(\w+)", line)[0] for line in lines if "event=done" in line]
    assert steps == ["extract", "validate", "build", "publish"]
    assert len(lines) == len(landed) + len(judged) + 2 * 4 + 2 + 1  # begun and done, built, …
    caplog.clear()
    two_months.run("nothing is new")
    quiet = [record for record in caplog.records if record.name == "ipska"]
    assert len(quiet) == 2 * 4 + 2 + 1


def test_a_failed_step_is_an_error_with_its_code(
    data_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = {**two_months.request("nothing has landed"), "months": []}
    with pytest.raises(Problem, match="nothing_delivered"):
        flow.build(request, {})
    (line,) = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert "event=failed" in line and "code=nothing_delivered" in line and "step=build" in line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\nevent=forged", '"a\\\\nevent=forged"'),
        ("\x1b[31mred", "\\x1b[31mred"),
        ('say "x"', '"say \\"x\\""'),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("", '""'),
    ],
)
def test_what_is_hostile_is_shown(
    hostile: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log.event("landed", delivery=hostile)
    (record,) = caplog.records
    assert record.getMessage() == f"event=landed delivery={shown}"
    assert record.getMessage().isprintable()


def test_the_command_writes_moment_and_level_from_a_level_on(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPSKA_LOG_LEVEL", "warning")
    settings.settings.cache_clear()
    log.to_stderr()
    log.event("landed")
    log.event("not_fetched", logging.WARNING, feed="eska")
    (line,) = capsys.readouterr().err.splitlines()
    form = r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=WARNING event=not_fetched feed=eska"
    assert re.fullmatch(form, line)
    assert cli.log is log and ledger.entries() == []


@pytest.fixture(autouse=True)
def no_handler() -> Iterator[None]:
    yield
    logging.getLogger("ipska").handlers.clear()
    logging.getLogger("ipska").setLevel(logging.NOTSET)
