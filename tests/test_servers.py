"""Feeds with credentials: a web server, an SFTP server and an S3 emulator, all on 127.0.0.1."""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh
import pytest
from pydantic import SecretStr
from sshfs import SSHFileSystem

from pipeline import connections, extract, flow, folders, land, ledger, requests, settings, store
from pipeline.feeds import Feed, Slice
from pipeline.messages import Problem
from pipeline.periods import Month
from servers import BODY, PASSWORD, USER, Sftp, Site, s3_server, sftp_server, web_server

SLICE = Slice("BGR", Month(2024, 9))
NAME = "X_BGR_2024-09_20241003T080000.csv"
GLOB = "{office}/*_{office}_{period}_*.csv"


@pytest.fixture(autouse=True)
def quick(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root, no pause between tries, no proxy, and no SSH keys of whoever runs the tests."""
    monkeypatch.setenv("IPSKA_FETCH_BACKOFF_S", "0")
    monkeypatch.setenv("IPSKA_FETCH_TIMEOUT_S", "10")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("HOME", str(data_root))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    settings.settings.cache_clear()
    return data_root


@pytest.fixture
def site() -> Iterator[Site]:
    with web_server() as site:
        yield site


@pytest.fixture
def sftp(quick: Path) -> Iterator[Sftp]:
    folder = quick / "sftp"
    (folder / "out" / "BGR").mkdir(parents=True)
    with sftp_server(folder) as server:
        yield server
    SSHFileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with s3_server() as server:
        yield server


@dataclass
class Source:
    """A folder feed with one file in it, on whichever server."""

    feed: Feed
    fields: dict[str, Any]
    put: Callable[[str, bytes], Any]

    def known(self) -> list[store.Landing]:
        return store.landings(self.feed.name, SLICE.code)

    def fetch(self, **fields: Any) -> extract.Fetched:
        return extract.fetch(self.feed, SLICE, self.known(), False, secret(self.fields | fields))

    def fetch_and_land(self) -> list[store.Landing]:
        return [land.land(self.feed, SLICE, file) for file in self.fetch().files]

    def states(self) -> list[tuple[str, str]]:
        return list(extract.probe(self.feed, SLICE, self.known(), False, secret(self.fields)))

    def failure(self, **fields: Any) -> Problem:
        with pytest.raises(Problem) as caught:
            self.fetch(**fields)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        return caught.value


def secret(fields: dict[str, Any]) -> SecretStr:
    return SecretStr(json.dumps(fields))


def feed_of(url: str) -> Feed:
    return Feed("eska", "eska_v2", url, "snapshot", ("BGR",), Month(2021, 1), "kantor")


@pytest.fixture
def on_sftp(sftp: Sftp) -> Source:
    fields = {"login": USER, "password": PASSWORD, "extra": {"host_key": sftp.host_key}}

    def put(name: str, body: bytes) -> None:
        path = sftp.folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    return Source(feed_of(sftp.url(f"out/{GLOB}")), fields, put)


@pytest.fixture
def on_s3(moto: Any) -> Source:
    endpoint, client = moto
    for one in client.list_objects_v2(Bucket="ska").get("Contents", []):
        client.delete_object(Bucket="ska", Key=one["Key"])
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    fields = {"login": "kunci", "password": "s3cret-s3", "extra": json.dumps(extra)}

    def put(name: str, body: bytes) -> None:
        client.put_object(Bucket="ska", Key=f"out/{name}", Body=body)

    return Source(feed_of(f"s3://ska/out/{GLOB}"), fields, put)


@pytest.fixture(params=["sftp", "s3"])
def source(request: pytest.FixtureRequest) -> Source:
    found: Source = request.getfixturevalue(f"on_{request.param}")
    return found


def work_files() -> list[Path]:
    folder = store.home() / "work" / "partial"
    return [file for file in folder.glob("*") if file.suffix != ".lock"]


# --- SFTP and S3 alike -------------------------------------------------------------------------


def test_a_file_is_found_fetched_landed_and_then_unchanged(source: Source) -> None:
    source.put(f"BGR/{NAME}", BODY)
    address = f"{source.feed.url.split('out/')[0]}out/BGR/{NAME}"
    assert source.states() == [("new", address)]
    (landing,) = source.fetch_and_land()
    assert landing.payload.read_bytes() == BODY
    assert (landing.manifest["source"], landing.manifest["file_name"]) == (address, NAME)
    assert (landing.manifest["size"], landing.manifest["refusal"]) == (len(BODY), None)
    assert source.states() == [("unchanged", address)]
    again = source.fetch()
    assert (again.files, again.missing, again.unchanged) == ([], False, 1)
    assert work_files() == []


def test_unchanged_files_are_not_read(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.put(f"BGR/{NAME}", b"one")
    source.fetch_and_land()
    monkeypatch.setattr(folders.Folder, "read", None)
    assert source.fetch().unchanged == 1


def test_a_changed_file_lands_again(source: Source) -> None:
    source.put(f"BGR/{NAME}", b"one")
    source.fetch_and_land()
    source.put(f"BGR/{NAME}", b"another")
    assert [state for state, _ in source.states()] == ["changed"]
    assert source.fetch_and_land()[0].payload.read_bytes() == b"another"


def test_only_what_the_url_names_and_nothing_hidden(source: Source) -> None:
    for name in ("BGR/._" + NAME, "BGR/X_BGR_2024-08_x.csv", "CRB/X_BGR_2024-09_x.csv",
                 "BGR/sub/X_BGR_2024-09_x.csv", "BGR/X_BGR_2024-09_x.xls"):  # fmt: skip
        source.put(name, b"not this")
    fetched = source.fetch()
    assert (fetched.files, fetched.missing) == ([], True)
    (state,) = source.states()
    assert state[0] == "missing" and state[1].endswith("out/BGR/*_BGR_2024-09_*.csv")


def test_folders_may_be_globbed_too(source: Source) -> None:
    url = source.feed.url.replace(GLOB, "20*/{office}-*/{period}.csv")
    source.put("2024/BGR-x/2024-09.csv", b"one")
    source.put("2023/BGR-y/2024-09.csv", b"two")
    source.put("2024/.BGR-z/2024-09.csv", b"hidden")
    files = Source(feed_of(url), source.fields, source.put).fetch().files
    assert sorted(file.path.read_bytes() for file in files) == [b"one", b"two"]


def test_names_with_marks_of_urls_stay_two_files(source: Source) -> None:
    for mark in ("#1", "%31", "?1", "[1]"):
        source.put(f"BGR/X_BGR_2024-09_{mark}.csv", mark.encode())
    landed = source.fetch_and_land()
    assert sorted(one.payload.read_bytes() for one in landed) == [b"#1", b"%31", b"?1", b"[1]"]
    assert source.fetch().unchanged == 4


def test_no_office_folder_is_a_missing_delivery_and_no_root_is_a_failure(source: Source) -> None:
    source.put("CRB/other.csv", b"x")
    assert Source(source.feed, source.fields, source.put).fetch().missing
    url = source.feed.url.replace("/out/", "/lost/").replace("ska/", "lost/")
    assert Source(feed_of(url), source.fields, source.put).failure().code == "no_deliveries"


def test_an_upload_still_running_is_left_for_the_next_run(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put(f"BGR/{NAME}", b"begin")
    offer, bodies = folders.Folder.offer, (b"grown" * n for n in count(2))

    def growing(folder: folders.Folder, name: str) -> Any:
        seen = offer(folder, name)
        source.put(f"BGR/{NAME}", next(bodies))
        return seen

    monkeypatch.setattr(folders.Folder, "offer", growing)
    problem = source.failure()
    assert problem.code == "source_failed"
    assert work_files() == []


def test_no_more_than_the_limit_is_read(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSKA_MAX_FILE_MB", "1")
    settings.settings.cache_clear()
    source.put(f"BGR/{NAME}", b"x" * (5 << 20))
    (file,) = source.fetch().files
    assert (file.size, file.path.stat().st_size <= 2 << 20) == (5 << 20, True)
    landing = land.land(source.feed, SLICE, file)
    assert landing.manifest["refusal"]["code"] == "too_large"


def test_a_wrong_password_is_denied(source: Source, moto: Any) -> None:
    source.put(f"BGR/{NAME}", b"one")
    if source.feed.url.startswith("s3"):
        switch_auth(moto[0], on=True)
    try:
        assert source.failure(login="salah", password="s3cret").code == "source_denied"  # noqa: S106
    finally:
        switch_auth(moto[0], on=False)


def switch_auth(endpoint: str, on: bool) -> None:
    """moto checks keys only when told to; then no key of this test is one it knows."""

    async def post() -> None:
        async with aiohttp.ClientSession() as session:
            body = "0" if on else "1000000000"
            await (await session.post(f"{endpoint}/moto-api/reset-auth", data=body)).read()

    asyncio.run(post())


def test_nobody_listens(source: Source) -> None:
    url = re.sub(r"127.0.0.1:\d+", "127.0.0.1:9", source.feed.url)
    fields = json.loads(re.sub(r"127.0.0.1:\d+", "127.0.0.1:9", json.dumps(source.fields)))
    assert Source(feed_of(url), fields, source.put).failure().code == "source_failed"


@pytest.mark.parametrize("kind", ["sftp", "s3"])
def test_an_extra_that_is_not_installed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, {"sftp": "sshfs", "s3": "s3fs"}[kind], None)
    problem = Source(feed_of(f"{kind}://127.0.0.1/{GLOB}"), {"login": "x"}, print).failure()
    assert problem.code == "extra_missing"
    assert f"pip install 'ipska[{kind}]'" in problem.text("en")


def test_no_secret_reaches_a_message_a_manifest_or_a_log(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source.put(f"BGR/{NAME}", b"one")
    (landing,) = source.fetch_and_land()
    told = [(landing.folder / "manifest.json").read_text(), repr(source.states())]
    for fields in ({"password": "s3cret-wrong"}, {"extra": "s3cret"}, {"port": "s3cret"}):
        try:
            source.fetch(**fields)
        except Problem as problem:
            assert problem.__suppress_context__
            told += [str(problem), problem.text("id"), repr(problem)]
    parsed = connections.parse("kantor", json.dumps(source.fields | {"extra": {"k": "s3cret"}}))
    told += [repr(parsed), str(parsed), repr(secret(source.fields)), caplog.text]
    assert len(told) > 8
    assert not [text for text in told if "s3cret" in text]


# --- SFTP --------------------------------------------------------------------------------------


def test_the_threads_of_a_run_share_their_session(on_sftp: Source, sftp: Sftp) -> None:
    offices = [f"K{n:02d}" for n in range(20)]
    for office in offices:
        on_sftp.put(f"{office}/X_{office}_2024-09_1.csv", office.encode() * 100_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_KANTOR", json.dumps(on_sftp.fields))
        feeds_file(patch, sftp.folder.parent, on_sftp.feed.url, offices)
        done = flow.extract(requests.nightly(store.now(), 0, "2024-09"))
    assert done["failed"] == [] and len(done["landed"]) == 20
    assert sftp.logins <= settings.settings().fetch_threads


def feeds_file(
    patch: pytest.MonkeyPatch, folder: Path, url: str, offices: list[str], covers: str = "month"
) -> None:
    text = f"""[eska]
covers = "{covers}"
layout = "eska_v2"
url = "{url}"
mode = "snapshot"
offices = {json.dumps(offices)}
first_month = "2021-01"
connection = "kantor"
"""
    (folder / "feeds.toml").write_text(text)
    patch.setenv("IPSKA_FEEDS", str(folder / "feeds.toml"))
    settings.settings.cache_clear()


def test_a_private_key_opens_as_text_and_as_a_file(on_sftp: Source, sftp: Sftp) -> None:
    on_sftp.put(f"BGR/{NAME}", b"one")
    text = sftp.user_key.export_private_key("pkcs8-pem", "frasa").decode()
    (sftp.folder.parent / "id").write_text(text)
    for key in ({"private_key": text}, {"key_file": str(sftp.folder.parent / "id")}):
        extra = {**on_sftp.fields["extra"], **key, "private_key_passphrase": "frasa"}
        assert len(on_sftp.fetch(password=None, extra=extra).files) == 1
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    extra = on_sftp.fields["extra"] | {"private_key": other}
    assert on_sftp.failure(password=None, extra=extra).code == "source_denied"
    for wrong in ({"private_key": "no key at all"}, {"key_file": "/no/such/file"}, {"host_key": 1}):
        extra = on_sftp.fields["extra"] | wrong
        assert on_sftp.failure(extra=extra).code == "bad_connection"


def test_a_server_that_is_not_known_is_not_talked_to(on_sftp: Source, sftp: Sftp) -> None:
    on_sftp.put(f"BGR/{NAME}", b"one")
    known = Path(os.environ["HOME"]) / ".ssh"
    known.mkdir()
    (known / "config").write_text("UserKnownHostsFile none\n")  # must not turn the check off
    assert on_sftp.failure(extra={}).code == "unknown_host_key"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    assert on_sftp.failure(extra={"host_key": other}).code == "unknown_host_key"
    assert sftp.logins == 0
    (known / "known_hosts").write_text(f"[127.0.0.1]:{sftp.port} {sftp.host_key}\n")
    assert len(on_sftp.fetch(extra={}).files) == 1


def test_a_password_goes_to_the_host_of_its_connection_only(on_sftp: Source, sftp: Sftp) -> None:
    problem = on_sftp.failure(host="sftp.example.go.id")
    assert problem.code == "bad_connection"
    assert sftp.sessions == []


def test_a_link_may_not_lead_out(on_sftp: Source, sftp: Sftp) -> None:
    (sftp.folder / "secret.csv").write_bytes(b"not a delivery")
    link = sftp.folder / "out" / "BGR" / NAME
    link.symlink_to("../../secret.csv")
    assert on_sftp.failure().code == "source_outside"
    link.unlink()
    link.symlink_to("../BGR/real.csv")
    on_sftp.put("BGR/real.csv", b"inside")
    assert on_sftp.fetch().files[0].path.read_bytes() == b"inside"
    (sftp.folder / "out" / "BGR").rename(sftp.folder / "elsewhere")
    (sftp.folder / "out" / "BGR").symlink_to("../elsewhere")
    assert on_sftp.failure().code == "source_outside"


def test_what_is_no_ordinary_file(on_sftp: Source, sftp: Sftp) -> None:
    (sftp.folder / "out" / "BGR" / "X_BGR_2024-09_folder.csv").mkdir()
    assert on_sftp.fetch().missing
    os.mkfifo(sftp.folder / "out" / "BGR" / NAME)
    assert on_sftp.failure().code == "source_unfit"


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(on_sftp: Source, sftp: Sftp) -> None:
    (sftp.folder / "out" / "BGR").chmod(0)
    assert on_sftp.failure().code == "source_denied"


def test_a_name_that_is_no_text(on_sftp: Source, sftp: Sftp) -> None:
    path = sftp.folder / "out" / "BGR" / os.fsdecode(b"X\xff_BGR_2024-09_1.csv")
    path.write_bytes(b"one")
    (landing,) = on_sftp.fetch_and_land()
    assert landing.manifest["file_name"].startswith("X\ufffd_BGR")
    assert on_sftp.fetch().unchanged == 1


def test_a_connection_lost_while_reading_is_made_anew(on_sftp: Source, sftp: Sftp) -> None:
    on_sftp.put(f"BGR/{NAME}", BODY)
    reads = count()

    def hang_up_once() -> None:
        if next(reads) == 1:
            sftp.hang_up()

    sftp.reads = hang_up_once
    assert on_sftp.fetch().files[0].path.read_bytes() == BODY
    assert sftp.logins == 2
    assert len(work_files()) == 1


def test_a_server_that_falls_silent_is_given_up(
    on_sftp: Source, sftp: Sftp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSKA_FETCH_TIMEOUT_S", "2")  # it must log in within that, too
    monkeypatch.setenv("IPSKA_FETCH_RETRIES", "1")
    settings.settings.cache_clear()
    on_sftp.put(f"BGR/{NAME}", BODY)
    sftp.reads = lambda: asyncio.Event().wait()
    problem = on_sftp.failure()
    assert (problem.code, problem.facts["error"]) == ("source_failed", "FSTimeoutError")


# --- S3 ----------------------------------------------------------------------------------------


def test_a_change_while_a_large_object_is_read(
    on_s3: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """s3fs reads it in blocks, each only if the object is still the same."""
    monkeypatch.setattr(folders, "S3_BLOCK", 5 << 20)
    first, second = b"a" * (12 << 20), b"b" * (12 << 20)
    on_s3.put(f"BGR/{NAME}", first)
    chunks = iter([lambda: None, lambda: None, lambda: on_s3.put(f"BGR/{NAME}", second)])
    real_limit = folders.sources.limit

    def limit() -> int:
        next(chunks, lambda: None)()
        return real_limit()

    monkeypatch.setattr(folders.sources, "limit", limit)
    (file,) = on_s3.fetch().files
    assert file.path.read_bytes() == second
    assert next(chunks, None) is None


def test_marks_of_empty_folders_are_no_files(on_s3: Source, moto: Any) -> None:
    for key in ("out/", "out/BGR/", "out/BGR/X_BGR_2024-09_1.csv/"):
        moto[1].put_object(Bucket="ska", Key=key, Body=b"")
    assert on_s3.fetch().missing
    url = "s3://ska/out/{office}/*"
    assert Source(feed_of(url), on_s3.fields, on_s3.put).fetch().missing


def test_plain_http_to_another_machine_is_refused(on_s3: Source) -> None:
    extra = {"endpoint_url": "http://s3.example.org"}
    assert on_s3.failure(extra=extra).code == "not_https"


# --- the web -----------------------------------------------------------------------------------


def on_web(site: Site, **fields: Any) -> Source:
    return Source(feed_of(site.url), fields, print)


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"login": "kantor", "password": "s3crét"}, "Basic a2FudG9yOnMzY3LDqXQ="),
        ({"password": "t0ken\n"}, "Bearer t0ken"),
        ({"extra": {"bearer": "t0ken"}}, "Bearer t0ken"),
    ],
)
def test_basic_auth_and_a_bearer_token(site: Site, fields: dict[str, Any], header: str) -> None:
    site.authorization, site.script = header, [-1_200_000]
    source = on_web(site, **fields)
    assert source.fetch_and_land()[0].payload.read_bytes() == BODY
    assert source.fetch().unchanged == 1
    assert set(site.shown) == {header}
    assert [status for _, status in site.gets()] == [200, 206]
    assert on_web(site, password="wrong").failure().code == "source_denied"  # noqa: S106


def test_credentials_do_not_follow_a_redirect_to_another_origin(site: Site) -> None:
    with web_server() as other:
        site.redirect = f"http://127.0.0.1:{other.port}/led"
        source = on_web(site, login="kantor", password="s3cret")  # noqa: S106
        assert source.fetch().files[0].path.read_bytes() == BODY
        assert len(other.shown) == 2 and set(other.shown) == {None}
        assert None not in site.shown


def test_credentials_go_to_the_host_of_their_connection_only(site: Site) -> None:
    source = on_web(site, password="s3cret", host="https://eksport.example.go.id")  # noqa: S106
    assert source.failure().code == "bad_connection"
    assert site.asked == []


# --- what is missing -------------------------------------------------------------------------


def test_a_missing_delivery_is_a_fact_with_its_age(
    site: Site, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KANTOR", "{}")
    monkeypatch.setattr(store, "now", lambda: datetime(2024, 9, 30, 18, tzinfo=UTC))
    feeds_file(monkeypatch, quick, site.url, ["BGR"])
    request = requests.nightly(store.now(), 1)
    assert request["months"] == ["2024-08", "2024-09"]
    assert len(flow.extract(request)["landed"]) == 2
    site.heads, site.script = [404] * 9, [404] * 9
    late, just_late = flow.extract(request)["missing"]
    assert (late["slice"], late["age_days"]) == ("BGR_2024-08", 31)  # 1 October in Jakarta
    assert (just_late["slice"], just_late["age_days"]) == ("BGR_2024-09", 1)
    assert late["last_landed_at"].startswith("2024-09-30T18:00:00")
    entry = flow.conclude(request, flow.extract(request))
    assert ledger.entries()[-1]["extract"]["missing"] == [late, just_late]
    assert "2 missing" in entry["text_en"]
    assert "BGR_2024-08 31, BGR_2024-09 1" in entry["text_en"]
    assert "BGR_2024-08 31, BGR_2024-09 1" in entry["text_id"]


@pytest.mark.parametrize(
    ("covers", "expected"),
    [
        ("year", []),  # 2024 goes on
        ("all", [{"slice": "BGR_all", "age_days": None, "last_landed_at": None}]),
    ],
)
def test_what_a_longer_slice_lacks(
    site: Site, quick: Path, monkeypatch: pytest.MonkeyPatch, covers: str,
    expected: list[dict[str, Any]],
) -> None:  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_KANTOR", "{}")
    monkeypatch.setattr(store, "now", lambda: datetime(2024, 9, 30, 18, tzinfo=UTC))
    feeds_file(monkeypatch, quick, site.url, ["BGR"], covers)
    site.heads, site.script = [404] * 9, [404] * 9
    request = requests.nightly(store.now())
    found = flow.extract(request)
    assert found["missing"] == expected
    assert [row["state"] for row in flow.found(request)] == ["missing"]
    assert "BGR_all –" in flow.conclude(request, found)["text_id"] or covers == "year"


# --- connections -------------------------------------------------------------------------------


def test_a_feed_without_its_connection_fails_alone(
    site: Site, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds_file(monkeypatch, quick, site.url, ["BGR"])
    request = requests.nightly(store.now(), 0, "2024-09")
    (failed,) = flow.extract(request)["failed"]
    assert (failed["slice"], failed["code"]) == ("BGR_2024-09", "no_connection")
    assert [row["state"] for row in flow.found(request)] == ["failed"]
    site.authorization = "Bearer t0ken"
    monkeypatch.setenv("AIRFLOW_CONN_KANTOR", "http://:t0ken@127.0.0.1")
    assert [row["state"] for row in flow.found(request)] == ["new"]
    assert len(flow.extract(request)["landed"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"conn_type": "sftp", "login": "a@b", "password": "p/w", "host": "H.go.id", "port": 22,'
        ' "extra": {"host_key": "k = v"}}',
        '{"login": "a@b", "password": "p/w", "host": "sftp://h.go.id/", "port": "22",'
        ' "extra": "{\\"host_key\\": \\"k = v\\"}"}',
        "sftp://a%40b:p%2Fw@h.go.id:22/?host_key=k+%3D+v",
        "sftp://a%40b:p%2Fw@h.go.id:22/?__extra__=%7B%22host_key%22%3A+%22k+%3D+v%22%7D",
    ],
)
def test_airflow_writes_a_connection_in_more_than_one_way(text: str) -> None:
    extra = {"host_key": "k = v"}
    expected = connections.Connection("x", "a@b", "p/w", "h.go.id", 22, extra)
    assert connections.parse("x", text) == expected


@pytest.mark.parametrize("text", ["{s3cret", '{"port": "s3cret"}', "x://a:s3cret@b:s3cret/", "[]"])
def test_a_connection_that_can_not_be_read(text: str) -> None:
    with pytest.raises(Problem) as caught:
        connections.parse("kantor", text)
    assert caught.value.code == "bad_connection" and caught.value.__suppress_context__
    assert "s3cret" not in str(caught.value)
