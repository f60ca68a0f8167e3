"""Extract: files from folders and from a real web server that fails in the ways servers do."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pipeline import extract, folders, land, settings, sources, store
from pipeline.connections import Connection
from pipeline.feeds import Feed, Slice
from pipeline.messages import Problem
from pipeline.periods import Month
from pipeline.sources import Failure
from pipeline.web import Web
from servers import BODY, Site, web_server

SLICE = Slice("BGR", Month(2024, 9))


def feed_of(url: str) -> Feed:
    return Feed("eska", "eska_v2", url, "snapshot", ("BGR",), Month(2021, 1))


def place_of(url: str) -> tuple[Web, str]:
    address = feed_of(url).fill(url, SLICE)
    return Web(address, Connection()), address


@pytest.fixture
def quick(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with no pause between tries and no proxy on the way to 127.0.0.1."""
    monkeypatch.setenv("IPSKA_FETCH_BACKOFF_S", "0")
    monkeypatch.setenv("IPSKA_FETCH_TIMEOUT_S", "5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    settings.settings.cache_clear()
    return data_root


@pytest.fixture
def site(quick: Path) -> Iterator[Site]:
    with web_server() as site:
        yield site


def known(feed: Feed) -> list[store.Landing]:
    return store.landings(feed.name, SLICE.code)


def fetch(feed: Feed) -> extract.Fetched:
    return extract.fetch(feed, SLICE, known(feed))


def fetch_and_land(feed: Feed) -> list[store.Landing]:
    return [land.land(feed, SLICE, file) for file in fetch(feed).files]


def failure(feed: Feed) -> Problem:
    with pytest.raises(Problem) as caught:
        fetch(feed)
    return caught.value


def work_files() -> list[Path]:
    folder = store.home() / "work" / "partial"
    return [file for file in folder.glob("*") if file.suffix != ".lock"]


# --- the web -----------------------------------------------------------------------------------


def test_a_file_comes_whole_with_its_token_and_hash(site: Site) -> None:
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY
    assert (file.token, file.size) == ('"v1"', len(BODY))
    assert file.sha256 == hashlib.sha256(BODY).hexdigest()
    assert file.file_name == "2024-09.csv"
    assert file.source == f"http://127.0.0.1:{site.port}/ska/BGR/2024-09.csv"


def test_an_unchanged_file_costs_a_head_and_no_download(site: Site) -> None:
    assert len(fetch_and_land(feed_of(site.url))) == 1
    site.asked.clear()
    again = fetch(feed_of(site.url))
    assert (again.files, again.missing, again.unchanged) == ([], False, 1)
    assert [verb for verb, _, _ in site.asked] == ["HEAD"]


def test_a_new_token_over_the_same_bytes_is_no_new_delivery(site: Site) -> None:
    fetch_and_land(feed_of(site.url))
    site.etag = '"v2"'
    assert fetch(feed_of(site.url)).unchanged == 1
    assert work_files() == []


def test_a_server_without_tokens_is_judged_by_the_bytes(site: Site) -> None:
    site.etag = None
    fetch_and_land(feed_of(site.url))
    assert fetch(feed_of(site.url)).unchanged == 1
    site.body = BODY + b"one more"
    assert len(fetch(feed_of(site.url)).files) == 1


def test_a_b_a_are_three_landings(site: Site) -> None:
    landed = fetch_and_land(feed_of(site.url))
    for body, etag in ((b"B", '"v2"'), (BODY, '"v1"')):
        site.body, site.etag = body, etag
        landed += fetch_and_land(feed_of(site.url))
    assert [one.payload.read_bytes() for one in landed] == [BODY, b"B", BODY]
    assert fetch(feed_of(site.url)).unchanged == 1


def test_a_cut_download_goes_on_where_it_stopped(site: Site) -> None:
    site.script = [-1_200_000]
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY
    first, second = site.gets()
    assert first == (None, 200)
    assert second[1] == 206
    assert 0 < int(str(second[0]).removeprefix("bytes=").rstrip("-")) <= 1_200_000


def test_a_later_run_goes_on_where_a_failed_one_stopped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSKA_FETCH_RETRIES", "0")
    settings.settings.cache_clear()
    site.script = [-1_200_000]
    assert failure(feed_of(site.url)).code == "source_failed"
    (kept,) = work_files()
    assert kept.stat().st_size > 0
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY
    assert [status for _, status in site.gets()] == [200, 206]


def test_a_date_does_for_a_resume_and_a_weak_etag_does_not(site: Site) -> None:
    site.etag, site.modified = 'W/"v1"', "Tue, 01 Oct 2024 03:00:00 GMT"
    site.script = [-1_200_000]
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY
    assert site.gets()[-1][1] == 206
    site.modified, site.script = None, [-1_200_000]
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY
    assert site.gets()[-2:] == [(None, 200), (None, 200)]


def test_a_file_that_changed_meanwhile_is_not_pasted_together(site: Site) -> None:
    site.script = [-1_200_000, 503, 503, 503]
    assert failure(feed_of(site.url)).code == "source_failed"
    site.body, site.etag = b"quite another", '"v2"'
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == b"quite another"


def test_a_change_between_head_and_get_is_kept_under_its_own_token(site: Site) -> None:
    web, url = place_of(site.url)
    seen = web.offer(url)
    site.body, site.etag = b"newer", '"v2"'
    path, token, size = web.read(url, seen)
    assert (path.read_bytes(), token, size) == (b"newer", '"v2"', 5)


def test_a_beginning_of_another_version_is_never_gone_on_with(site: Site) -> None:
    web, url = place_of(site.url)
    seen = web.offer(url)
    site.body, site.etag, site.script = b"x" * len(BODY), '"v2"', [-1_200_000]
    with pytest.raises(Failure, match="ClientPayloadError"):
        web.read(url, seen)
    assert work_files()
    site.body, site.etag = BODY, '"v1"'
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY


def test_a_server_without_ranges_sends_all_again(site: Site) -> None:
    site.ranges, site.script = False, [-1_200_000]
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY
    assert [status for _, status in site.gets()] == [200, 200]


def test_a_partial_file_that_does_not_fit_is_dropped(site: Site) -> None:
    site.script = [-1_200_000, 503, 503, 503]
    failure(feed_of(site.url))
    (kept,) = work_files()
    kept.write_bytes(b"x" * (len(BODY) + 1))
    site.script = [416]
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY


def test_another_range_than_the_one_asked_for_is_not_pasted(site: Site) -> None:
    site.script = [-1_200_000, 206]
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY
    assert [status for _, status in site.gets()] == [200, 206, 200]


def test_a_cut_that_the_connection_does_not_tell(site: Site) -> None:
    site.lengthless, site.script = True, [-1_200_000]
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY
    assert [status for _, status in site.gets()] == [200, 206]


def test_with_no_token_nothing_is_gone_on_with(site: Site) -> None:
    site.etag, site.script = None, [-1_200_000, 503, 503, 503]
    failure(feed_of(site.url))
    (kept,) = work_files()
    site.body = b"z" * kept.stat().st_size
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == site.body


def test_passing_failures_are_tried_again(site: Site) -> None:
    site.script = [503, 500]
    (file,) = fetch(feed_of(site.url)).files
    assert file.path.read_bytes() == BODY
    assert [status for _, status in site.gets()] == [503, 500, 200]


def test_lasting_failures_become_a_problem(site: Site) -> None:
    site.script = [503] * 4
    problem = failure(feed_of(site.url))
    assert (problem.code, problem.facts["error"]) == ("source_failed", "HTTP 503")
    assert len(site.gets()) == 1 + settings.settings().fetch_retries


@pytest.mark.parametrize(
    ("status", "code"), [(401, "source_denied"), (403, "source_denied"), (400, "source_failed")]
)
def test_what_no_retry_helps_is_not_tried_again(site: Site, status: int, code: str) -> None:
    site.heads, site.script = [status] * 9, [status] * 9
    assert failure(feed_of(site.url)).code == code
    assert len(site.gets()) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_nothing_there_is_a_fact(site: Site, status: int) -> None:
    site.heads, site.script = [status], [status]
    fetched = fetch(feed_of(site.url))
    assert (fetched.files, fetched.missing, fetched.unchanged) == ([], True, 0)


def test_a_server_that_knows_no_head(site: Site) -> None:
    site.heads = [405]
    (file,) = fetch(feed_of(site.url)).files
    assert (file.path.read_bytes(), file.token) == (BODY, '"v1"')


def test_nobody_listens(quick: Path) -> None:
    problem = failure(feed_of("http://127.0.0.1:9/{office}/{period}.csv"))
    assert problem.code == "source_failed"


def test_a_login_page_with_status_200_lands_refused(site: Site) -> None:
    site.body, site.etag = b"\xef\xbb\xbf \n<!DOCTYPE HTML><title>Masuk</title>", None
    (landing,) = fetch_and_land(feed_of(site.url))
    assert landing.manifest["refusal"]["code"] == "html_page"


def test_no_more_than_the_limit_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSKA_MAX_FILE_MB", "1")
    settings.settings.cache_clear()
    (file,) = fetch(feed_of(site.url)).files
    assert file.size == len(BODY)
    assert file.path.stat().st_size < len(BODY)
    landing = land.land(feed_of(site.url), SLICE, file)
    assert landing.manifest["refusal"]["code"] == "too_large"
    assert not landing.payload.exists()
    assert fetch(feed_of(site.url)).unchanged == 1


def test_with_force_a_refused_delivery_is_fetched_again(site: Site) -> None:
    site.body = b""
    (landing,) = fetch_and_land(feed_of(site.url))
    assert landing.manifest["refusal"]["code"] == "zero_bytes"
    feed = feed_of(site.url)
    assert fetch(feed).files == []
    assert len(extract.fetch(feed, SLICE, known(feed), force=True).files) == 1


def test_runs_at_once_fetch_one_after_the_other_and_land_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.script = [-1_200_000] * 4
    before = known(feed_of(site.url))
    stream, under_way, at_once = Web._stream, [], []

    async def watched(web: Web, address: str, seen: sources.Offer) -> tuple[Path, str | None, int]:
        under_way.append(address)
        at_once.append(len(under_way))
        try:
            return await stream(web, address, seen)
        finally:
            under_way.pop()

    monkeypatch.setattr(Web, "_stream", watched)
    with ThreadPoolExecutor(4) as pool:
        feed = feed_of(site.url)
        fetched = list(pool.map(lambda _: extract.fetch(feed, SLICE, before), range(4)))
    files = [file for one in fetched for file in one.files]
    assert set(at_once) == {1}
    assert [file.path.read_bytes() == BODY for file in files] == [True] * 4
    assert len({file.path for file in files}) == 4
    landed = {land.land(feed_of(site.url), SLICE, file).delivery_id for file in files}
    assert len(landed) == len(known(feed_of(site.url))) == 1
    assert work_files() == []


def test_plain_http_to_another_machine_is_refused(quick: Path) -> None:
    assert failure(feed_of("http://example.org/{office}/{period}.csv")).code == "not_https"


def test_a_redirect_to_plain_http_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "is_loopback", lambda host: host == "localhost")
    site.redirect = f"http://127.0.0.1:{site.port}/led"
    assert failure(feed_of(site.url.replace("127.0.0.1", "localhost"))).code == "not_https"
    assert site.gets() == []


def test_a_redirect_of_the_download_alone_is_refused_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "is_loopback", lambda host: host == "localhost")
    web, url = place_of(site.url.replace("127.0.0.1", "localhost"))
    seen = web.offer(url)
    site.redirect = f"http://127.0.0.1:{site.port}/led"
    with pytest.raises(Problem, match="not_https"):
        web.read(url, seen)
    assert work_files() == []


def test_a_redirect_that_stays_is_followed(site: Site) -> None:
    site.redirect = f"http://127.0.0.1:{site.port}/led"
    assert fetch(feed_of(site.url)).files[0].path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@host.go.id/a?token=secret#secret", "https://host.go.id/a?…"),
        ("https://host.go.id:8443/a/b.csv", "https://host.go.id:8443/a/b.csv"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, expected: str) -> None:
    assert sources.without_secrets(url) == expected


def test_no_secret_reaches_a_message_a_manifest_or_a_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    url = site.url.replace("http://", "http://me:s3cret@") + "?token=s3cret"
    (landing,) = fetch_and_land(feed_of(url))
    told = [(landing.folder / "manifest.json").read_text()]
    for status in (500, 403):
        site.heads, site.script = [status] * 9, [status] * 9
        problem = failure(feed_of(url))
        assert problem.__suppress_context__
        told += [str(problem), problem.text("id")]
    assert all("127.0.0.1" in text for text in told)
    assert not [text for text in [*told, caplog.text] if "s3cret" in text]


def test_probe_tells_what_a_run_would_find(site: Site) -> None:
    feed = feed_of(site.url)

    def states() -> list[str]:
        return [state for state, _ in extract.probe(feed, SLICE, known(feed))]

    assert states() == ["new"]
    assert site.gets() == []
    fetch_and_land(feed_of(site.url))
    assert states() == ["unchanged"]
    site.etag = '"v2"'
    assert states() == ["changed"]
    site.etag = None
    assert states() == ["unchecked"]
    site.heads, site.script = [404], [404]
    assert states() == ["missing"]


# --- folders -----------------------------------------------------------------------------------

FOLDER = feed_of("{deliveries}/{office}/*_{office}_{period}_*.csv")


@pytest.fixture
def office(quick: Path) -> Path:
    folder = quick / "deliveries" / "BGR"
    folder.mkdir(parents=True)
    return folder


def deliver(office: Path, body: bytes, extracted: str = "20241003T080000", by: str = "X") -> Path:
    path = office / f"{by}_BGR_2024-09_{extracted}.csv"
    path.write_bytes(body)
    return path


def test_a_folder_of_our_own_that_is_gone_is_no_missing_delivery(office: Path) -> None:
    deliver(office, BODY)
    shutil.rmtree(store.home() / "work")
    assert failure(FOLDER).code == "disk_unfit"


def test_a_folder_with_nothing_for_the_slice(office: Path) -> None:
    (office / "X_BGR_2024-08_20241003T080000.csv").write_bytes(b"another month")
    assert fetch(FOLDER).missing
    office.rename(office.with_name("BDG"))
    assert fetch(FOLDER).missing


def test_an_unmounted_share_is_not_an_office_that_sent_nothing(office: Path) -> None:
    office.parent.rename(office.parent.with_name("elsewhere"))
    assert failure(FOLDER).code == "no_deliveries"


def test_the_folder_of_deliveries_may_be_called_anything(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(office, b"one")
    named = office.parent.with_name("kiriman [2024] *?{office}")
    office.parent.rename(named)
    monkeypatch.setenv("IPSKA_DELIVERIES", str(named))
    settings.settings.cache_clear()
    assert [landing.payload.read_bytes() for landing in fetch_and_land(FOLDER)] == [b"one"]
    assert fetch(FOLDER).unchanged == 1


def test_a_run_lists_a_folder_once_for_all_slices_in_it(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five years of an office lie in one folder: sixty times its files, over SFTP, every night."""
    disk, asked = type(folders.fsspec.filesystem("file")), []
    honest = disk.ls

    def ls(files: Any, path: str, **given: Any) -> Any:
        asked.append(path)
        return honest(files, path, **given)

    monkeypatch.setattr(disk, "ls", ls)
    deliver(office, BODY)
    listed: folders.Listed = {}
    feed = feed_of("{deliveries}/{office}/*_{office}_{period}_*.csv")
    for month in (8, 9, 10):
        found = extract.fetch(feed, Slice("BGR", Month(2024, month)), [], listed=listed)
        assert found.missing == (month != 9)
    assert len(asked) == 1


def test_a_share_that_goes_while_a_run_looks_is_not_offices_that_sent_nothing(
    office: Path,
) -> None:
    deliver(office, BODY)
    listed: folders.Listed = {}
    feed = feed_of("{deliveries}/{office}/*_{office}_{period}_*.csv")
    assert extract.fetch(feed, Slice("BGR", Month(2024, 8)), [], listed=listed).missing
    office.parent.rename(office.parent.with_name("unmounted"))
    with pytest.raises(Problem, match="no_deliveries"):
        extract.fetch(feed, SLICE, [], listed=listed)


def test_what_fails_below_s3_is_tried_again_and_told_without_its_url(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """s3fs lets errors of aiohttp through: a body cut off, for one."""
    asked = []

    class Cut:
        def ls(self, path: str, **_: Any) -> Any:
            asked.append(path)
            raise aiohttp.ClientPayloadError("https://bucket/key?X-Amz-Signature=secret")

        def clear_instance_cache(self) -> None:
            pass

    monkeypatch.setattr(folders, "_s3", lambda _: Cut())
    problem = failure(feed_of("s3://bucket/{office}/{period}_*.csv"))
    assert problem.code == "source_failed" and len(asked) > 1
    assert "ClientPayloadError" in problem.text("en") and "secret" not in problem.text("en")


def test_an_sftp_folder_that_goes_after_it_was_listed_ends_no_run(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server says so of a path whose folder is gone, in an error that is no FileNotFoundError."""

    class SFTPNoSuchFile(Exception):
        pass

    class Gone:
        loop = None

        def ls(self, path: str, **_: Any) -> Any:
            return [{"name": f"{path}/X_BGR_2024-09_1.csv", "type": "file"}]

        def info(self, path: str, **_: Any) -> Any:
            return {"name": path, "type": "directory"}

        def clear_instance_cache(self) -> None:
            pass

    def sync(*_: Any, **__: Any) -> Any:
        raise SFTPNoSuchFile

    monkeypatch.setattr(folders, "_sftp", lambda *_: Gone())
    monkeypatch.setattr(folders, "sync", sync)
    feed = feed_of("sftp://127.0.0.1/ska/{office}/*_{office}_{period}_*.csv")
    assert extract.fetch(feed, SLICE, []).missing


def test_files_come_in_the_order_of_their_extract_time(office: Path) -> None:
    deliver(office, b"second", "20241005T080000", by="A")
    deliver(office, b"first", "20241003T080000", by="Z")
    files = fetch(FOLDER).files
    assert [file.path.read_bytes() for file in files] == [b"first", b"second"]
    landed = [land.land(FOLDER, SLICE, file) for file in files]
    assert [one.manifest["refusal"] for one in landed] == [None, None]
    assert [one.manifest["extracted_at"][:19] for one in landed] == [
        "2024-10-03T01:00:00",
        "2024-10-05T01:00:00",
    ]


def test_two_files_of_a_slice_do_not_land_again_each_night(office: Path) -> None:
    deliver(office, b"one", "20241003T080000")
    deliver(office, b"two", "20241005T080000")
    assert len(fetch_and_land(FOLDER)) == 2
    again = fetch(FOLDER)
    assert (again.files, again.unchanged) == ([], 2)


def test_unchanged_folder_files_are_not_read(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(office, b"one")
    fetch_and_land(FOLDER)
    monkeypatch.setattr(folders.Folder, "read", None)
    assert fetch(FOLDER).unchanged == 1


def test_a_file_touched_but_not_changed(office: Path) -> None:
    path = deliver(office, b"one")
    fetch_and_land(FOLDER)
    os.utime(path, (1, 1))
    assert list(extract.probe(FOLDER, SLICE, known(FOLDER))) == [
        ("unchanged", "{deliveries}/BGR/X_BGR_2024-09_20241003T080000.csv")
    ]
    assert fetch(FOLDER).unchanged == 1
    assert work_files() == []


def test_a_change_that_keeps_size_and_date_is_seen(office: Path) -> None:
    path = deliver(office, b"one")
    os.utime(path, (1, 1))
    fetch_and_land(FOLDER)
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    (file,) = fetch(FOLDER).files
    assert file.path.read_bytes() == b"two"


def test_the_same_bytes_under_a_later_extract_time_are_news(office: Path) -> None:
    deliver(office, b"one", "20241003T080000")
    fetch_and_land(FOLDER)
    deliver(office, b"one", "20241103T080000")
    assert len(fetch(FOLDER).files) == 1


def test_deliveries_may_move_to_another_disk(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(office, b"one", "20241003T080000")
    deliver(office, b"two", "20241005T080000")
    fetch_and_land(FOLDER)
    moved = office.parent.with_name("moved")
    office.parent.rename(moved)
    monkeypatch.setenv("IPSKA_DELIVERIES", str(moved))
    settings.settings.cache_clear()
    assert fetch(FOLDER).unchanged == 2


def test_an_upload_still_running_is_left_for_the_next_run(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = deliver(office, b"begin")
    offer = folders.Folder.offer

    def growing(folder: folders.Folder, address: str) -> sources.Offer:
        with path.open("ab") as handle:
            handle.write(b"more")
        return offer(folder, address)

    monkeypatch.setattr(folders.Folder, "offer", growing)
    problem = failure(FOLDER)
    assert problem.code == "source_failed"
    assert "changed while it was read" in str(problem)
    assert work_files() == []


def test_a_link_may_not_lead_out(office: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"not a delivery")
    link = office / "X_BGR_2024-09_20241003T080000.csv"
    link.symlink_to(secret)
    assert failure(FOLDER).code == "source_outside"
    link.unlink()
    link.symlink_to("../BGR/real.csv")
    (office / "real.csv").write_bytes(b"inside")
    assert fetch(FOLDER).files[0].path.read_bytes() == b"inside"


def test_pipes_folders_and_hidden_files(office: Path) -> None:
    (office / "X_BGR_2024-09_folder.csv").mkdir()
    (office / "._X_BGR_2024-09_20241003T080000.csv").write_bytes(b"a Mac was here")
    assert fetch(FOLDER).missing
    os.mkfifo(office / "X_BGR_2024-09_20241003T080000.csv")
    assert failure(FOLDER).code == "source_unfit"


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(office, b"one")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("BGR"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert failure(FOLDER).code == "source_denied"


def test_a_name_that_is_no_text(office: Path) -> None:
    (office / os.fsdecode(b"X\xff_BGR_2024-09_20241003T080000.csv")).write_bytes(b"one")
    (landing,) = fetch_and_land(FOLDER)
    assert landing.manifest["file_name"].startswith("X\ufffd_BGR")
    assert fetch(FOLDER).unchanged == 1


def test_another_kind_of_source_is_refused(quick: Path) -> None:
    assert failure(feed_of("memory://x/{office}/{period}.csv")).code == "bad_source"


def test_what_a_killed_run_left_goes_after_a_week(office: Path) -> None:
    deliver(office, b"one")
    fetch(FOLDER)
    (old,) = work_files()
    new, lock = old.with_name("new"), old.with_name("held.lock")
    for file in (new, lock):
        file.write_bytes(b"")
    for file in (old, lock):
        os.utime(file, (1, 1))
    fetch(FOLDER)
    assert [file.exists() for file in (old, new, lock)] == [False, True, True]
