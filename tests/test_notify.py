"""Messages: real mail and web servers on loopback; what is told, to whom, and how often."""

import email
import email.policy
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline import flow, ledger, notify, outcome, requests, settings, store
from servers import Hook, Post, hook_server, mail_server

Facts = dict[str, Any]
HOSTILE = "Kab. <!channel> & <http://x|y>\r\nBcc: victim@example.org\x1b[31m"
SECRET = "r4hasia"  # noqa: S105


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hook_server() as server:
        yield server


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server() as server:
        yield server


@pytest.fixture(autouse=True)
def quick(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSKA_FETCH_BACKOFF_S", "0")
    monkeypatch.setenv("IPSKA_FETCH_RETRIES", "1")
    settings.settings.cache_clear()


def run(wrong: list[str] = (), newly: list[str] = (), stopped: bool = False, **more: Any) -> Facts:  # type: ignore[assignment]
    """The ledger entry of a run, `wrong` being slices that could not be fetched."""
    failed = [
        {"feed": "f", "slice": one, "code": "source_failed", "en": one, "id": one} for one in wrong
    ]
    return {
        "run_id": ledger.new_run_id("nightly"),
        "kind": "nightly",
        "months": ["2024-08", "2024-09"],
        "extract": {"failed": failed},
        "validate": None,
        "publish": None if stopped else {"newly_wrong": list(newly)},
        "failed_at": "publish" if stopped else None,
        "problem": None,
        "exit_code": 1 if stopped else 0,
        "text_id": "Proses berakhir.",
        "text_en": "The run is over.",
        **more,
    }


def mail_to(post: Post, **extra: str) -> Facts:
    extra = {"to": "a@example.go.id, b@example.go.id", "security": "none", **extra}
    return {"host": "127.0.0.1", "port": post.port, "extra": extra}


def lookup(**channels: Facts) -> Any:
    return {f"ipska_{name}": json.dumps(one) for name, one in channels.items()}.get


def tell(entry: Facts, **channels: Facts) -> list[str]:
    return [one["code"] for one in notify.tell(entry, lookup(**channels))]


def read(data: bytes) -> Any:
    return email.message_from_bytes(data, policy=email.policy.default)


def test_a_mail_says_it_in_both_languages(post: Post) -> None:
    assert tell(run(["BGR_2024-09"]), mail=mail_to(post, **{"from": "ipska@example.go.id"})) == []
    (mail,) = map(read, post.got)
    assert mail["Subject"] == "ipska: masalah baru / new trouble: nightly 2024-08 – 2024-09"
    assert (mail["From"], mail["To"]) == (
        "ipska@example.go.id",
        "a@example.go.id, b@example.go.id",
    )
    assert mail.get_content().splitlines() == [
        "Baru / New:", "  gagal diambil / not fetched: f/BGR_2024-09 source_failed", "",
        "Proses berakhir.", "", "The run is over.",
    ]  # fmt: skip
    assert mail["Date"] and mail["Message-ID"] and mail["Auto-Submitted"] == "auto-generated"


def test_a_webhook_gets_json_and_credentials(hook: Hook) -> None:
    channel = {"password": SECRET, "extra": {"url": hook.url}}
    entry = run(stopped=True)
    assert tell(entry, webhook=channel) == []
    ((headers, body),) = hook.got
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert body == {
        "run_id": entry["run_id"],
        "kind": "failed",
        "exit_code": 1,
        "subject": "ipska: GAGAL / FAILED: nightly 2024-08 – 2024-09",
        "text": "Baru / New:\n  berhenti / stopped: publish None\n\n"
        "Proses berakhir.\n\nThe run is over.\n",
    }


def test_text_from_outside_stays_text(hook: Hook, post: Post) -> None:
    entry = run(["x"], text_en=HOSTILE, text_id=HOSTILE, kind=HOSTILE)
    url = {"extra": {"url": hook.url}}
    assert tell(entry, mail=mail_to(post), slack=url, webhook=url) == []
    (mail,) = map(read, post.got)
    assert mail["Bcc"] is None and "\x1b" not in mail.as_string()
    assert r"\r" in mail["Subject"] and "\n" not in mail["Subject"]
    assert [line for line in post.said if line.startswith("rcpt")] == [
        "rcpt TO:<a@example.go.id>",
        "rcpt TO:<b@example.go.id>",
    ]
    bodies = [body for _, body in hook.got]
    (slack,) = [body for body in bodies if "mrkdwn" in body]
    assert "<" not in slack["text"] and "&lt;!channel&gt; &amp; " in slack["text"]
    assert not any("\x1b" in json.dumps(body, ensure_ascii=False) for body in bodies)


def test_a_line_of_one_dot_does_not_end_a_mail(post: Post) -> None:
    tell(run(["x"], text_en=".\nQUIT\nmore"), mail=mail_to(post))
    (mail,) = map(read, post.got)
    assert mail.get_content().splitlines()[-3:] == [".", "QUIT", "more"]
    assert post.said.count("QUIT") == 1


@pytest.mark.parametrize(
    ("nights", "sent"),
    [
        ([run(), run()], []),
        ([run(["A"]), run(["A"]), run(["A"])], ["trouble"]),
        ([run(["A"]), run(["A", "B"]), run(["B"]), run(["B"])], ["trouble", "trouble"]),
        ([run(["A"]), run(), run()], ["trouble", "recovered"]),
        ([run(["A"]), run(), run(["A"])], ["trouble", "recovered", "trouble"]),
        ([run(["A", "B"]), run(["A"]), run(["A", "B"])], ["trouble", "trouble"]),
        ([run(newly=["x"]), run()], ["trouble"]),
        ([run(newly=["x"]), run(newly=["y"])], ["trouble", "trouble"]),
        ([run(stopped=True), run(stopped=True), run()], ["failed", "recovered"]),
        (
            [
                run(stopped=True, problem={"code": "movement", "moved": ["Depok 3"]}),
                run(stopped=True, problem={"code": "movement", "moved": ["Depok 3"]}),
                run(stopped=True, problem={"code": "movement", "moved": ["Depok 4"]}),
            ],
            ["failed", "failed"],
        ),
    ],
)
def test_the_same_trouble_is_told_once(hook: Hook, nights: list[Facts], sent: list[str]) -> None:
    for night in nights:
        assert tell(night, webhook={"extra": {"url": hook.url}}) == []
    assert [body["kind"] for _, body in hook.got] == sent


def test_a_message_names_what_it_was_sent_for(hook: Hook) -> None:
    """Though the text of a run names five late slices, and none outside its months."""
    late = [{"feed": "eska", "slice": f"O{n}_2021-01", "days": 1} for n in range(200)]
    there = {"extra": {"url": hook.url}}
    tell(run(["A"], late=late[:7]), webhook=there)
    tell(run(["A"], late=late[:9]), webhook=there)
    tell(run(), webhook=there)
    tell(run(late=late), webhook=there)
    new = [body["text"].split("\n\n")[0].splitlines() for _, body in hook.got]
    assert new[0][:2] == ["Baru / New:", "  gagal diambil / not fetched: f/A source_failed"]
    assert len(new[0]) == 9
    assert new[1] == ["Baru / New:", *(f"  terlambat / late: eska/O{n}_2021-01" for n in (7, 8))]
    assert "Baru" not in new[2][0] and len(new[3]) == 102 and new[3][-1] == "  … 100"


def test_each_kind_of_trouble_has_its_words() -> None:
    problem = {"code": "movement", "moved": ["Depok 3"]}
    overdue = {"corrections": [{"en": "x", "is_overdue": True}], "refused": [{"delivery_id": "d"}]}
    rows = [{"feed": "f", "slice": "S"}]
    entry = run(["A"], stopped=True, problem=problem, validate=overdue, late=rows, stale=rows)
    found = notify.wrong(entry | {"deadline_missed": "06:00"})
    assert {one.split(" ")[0] for one in found} == notify.KINDS.keys()


def test_what_one_channel_was_told_is_not_new_to_another(hook: Hook) -> None:
    """A backfill, for which nothing is over, keeps each channel's own trouble apart."""
    there = {"extra": {"url": hook.url}}
    tell(run(["A"]), webhook=there)
    tell(run(kind="backfill"), webhook=there, slack=there)
    assert len(hook.got) == 1
    assert [notify.channels()[name]["told"] for name in ("webhook", "slack")] == [
        ["failed f/A source_failed"], [],
    ]  # fmt: skip


def test_a_task_that_airflow_runs_twice_tells_once(hook: Hook) -> None:
    night = run(newly=["x"])
    for _ in range(2):
        tell(night, webhook={"extra": {"url": hook.url}})
    assert len(hook.got) == 1


def test_what_could_not_be_sent_is_owed(hook: Hook) -> None:
    channel = {"extra": {"url": hook.url}}
    hook.script = [500, 503, 404]
    lost, again = run(newly=["x"]), run()
    assert tell(lost, webhook=channel) == ["message_failed"]  # tried twice
    assert tell(again, webhook=channel) == ["message_failed"]  # once: 404 does not pass
    assert [len(hook.got), notify.channels()["webhook"]["owed"]] == [
        3,
        [lost["run_id"], again["run_id"]],
    ]
    assert tell(run(), webhook=channel) == []
    assert hook.got[-1][1]["kind"] == "owed" and lost["run_id"] in hook.got[-1][1]["text"]
    assert notify.channels()["webhook"] == notify.NOTHING


def test_a_channel_that_fails_hinders_no_other(hook: Hook, post: Post) -> None:
    post.script = [554]
    url = {"extra": {"url": hook.url}}
    assert tell(run(["A"]), mail=mail_to(post), slack=url) == ["message_failed"]
    assert len(hook.got) == 1
    assert tell(run(["A"]), mail=mail_to(post), slack=url) == []  # owed to one of them
    assert (len(hook.got), len(post.got)) == (1, 1)


def test_a_mail_server_that_is_busy_is_asked_again(post: Post) -> None:
    post.script = [421]
    assert tell(run(["A"]), mail=mail_to(post)) == []
    assert len(post.got) == 1


def test_an_address_that_is_refused_is_told_and_the_others_get_the_mail(post: Post) -> None:
    post.refuses = {"b@example.go.id"}
    (failure,) = notify.tell(run(["A"]), lookup(mail=mail_to(post)))
    assert "1 of 2 addresses refused" in failure["en"] and len(post.got) == 1
    assert tell(run(["A"]), mail=mail_to(post)) == [] and len(post.got) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    address = x509.IPAddress(__import__("ipaddress").ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "loopback.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, form, plain))
    return file


def test_mail_is_encrypted_unless_said_and_the_server_must_prove_itself(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with mail_server(context) as post:
        channel = mail_to(post, security="starttls", ca_file=str(certificate))
        channel |= {"login": "ipska", "password": SECRET}
        assert tell(run(["A"]), mail=channel) == []
        assert len(post.got) == 1
        assert next(line for line in post.said if "AUTH" in line).endswith("(tls)")
        del channel["extra"]["ca_file"]
        assert tell(run(["B"]), mail=channel) == ["message_failed"]
        assert len(post.got) == 1


def test_a_password_never_goes_out_in_the_clear(post: Post) -> None:
    channel = mail_to(post, security="starttls") | {"login": "ipska", "password": SECRET}
    assert tell(run(["A"]), mail=channel) == ["message_failed"]  # it offers no STARTTLS
    assert not [line for line in post.said if "AUTH" in line]
    channel = mail_to(post) | {"host": "mail.example.go.id", "login": "ipska", "password": SECRET}
    assert tell(run(["B"]), mail=channel) == ["bad_connection"]


@pytest.mark.parametrize(
    "channels",
    [
        {"mail": {"host": "127.0.0.1"}},
        {"mail": {"host": "127.0.0.1", "extra": {"to": "a@b.id", "security": "perhaps"}}},
        {"mail": {"host": "127.0.0.1", "extra": {"to": "a@b.id\r\nBcc: c@d.id"}}},
        {"webhook": {"extra": {}}},
        {"webhook": {"extra": {"url": "http://example.org/S3CRET"}}},
        {"slack": {"host": "hooks.slack.com", "extra": {"url": "https://example.org/S3CRET"}}},
    ],
)
def test_a_bad_connection_is_told(channels: Facts) -> None:
    failures = notify.tell(run(["A"]), lookup(**channels))
    assert [one["code"] for one in failures] == ["bad_connection"]
    assert "S3CRET" not in json.dumps(failures)


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    hook.script = [302]
    assert tell(run(["A"]), webhook={"extra": {"url": hook.url}}) == ["message_failed"]
    assert len(hook.got) == 1


def test_no_secret_is_written_or_told(hook: Hook, data_root: Path) -> None:
    hook.script = [404, 500, 500]
    for password in (SECRET, ""):
        failures = notify.tell(
            run(["A"]), lookup(webhook={"password": password, "extra": {"url": hook.url}})
        )
        assert failures and "S3CRET" not in json.dumps(failures)
    hook.got.clear()
    gone = {"extra": {"url": "http://127.0.0.1:9/services/S3CRET"}}
    assert "S3CRET" not in json.dumps(notify.tell(run(["A"]), lookup(slack=gone)))
    files = [file.read_text("utf-8") for file in (data_root / "data" / "ledger").iterdir()]
    assert len(files) >= 3
    assert not [text for text in files if "S3CRET" in text or SECRET in text]


def test_a_full_disk_after_the_message_fails_no_run(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Facts) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "record", full)
    assert tell(run(["A"]), webhook={"extra": {"url": hook.url}}) == []
    assert len(hook.got) == 1


def test_with_no_channel_nothing_is_sent_or_written(data_root: Path) -> None:
    assert tell(run(["A"])) == []
    assert ledger.entries() == []


def test_a_run_tells_and_a_failing_channel_changes_nothing_of_it(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole flow, with connections of the environment: nothing has ever been delivered."""
    monkeypatch.setenv("AIRFLOW_CONN_IPSKA_SLACK", json.dumps({"extra": {"url": hook.url}}))
    hook.script = [404]
    request = requests.nightly(store.now(), 0)
    done = flow.run(request, tell=lambda _: None)
    assert (done["exit_code"], done["problem"]["code"]) == (1, "nothing_delivered")
    assert "could not be sent by slack" in done["text_en"] and "S3CRET" not in done["text_en"]
    again = flow.run(requests.nightly(store.now(), 0), tell=lambda _: None)
    assert again["exit_code"] == 1 and "by slack" not in again["text_en"]
    assert "FAILED at build" in hook.got[-1][1]["text"] and len(hook.got) == 2


def test_a_night_that_can_not_even_begin_is_told(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, data_root: Path
) -> None:
    broken = data_root / "feeds.toml"
    broken.write_text("[eska]\nlayout = 1")
    monkeypatch.setenv("IPSKA_FEEDS", str(broken))
    settings.settings.cache_clear()
    channel = json.dumps({"extra": {"url": hook.url}})
    done = outcome.unstarted("nightly", {"ipska_webhook": channel}.get)
    assert (done["failed_at"], done["problem"]["code"]) == ("request", "bad_feeds")
    ((_, body),) = hook.got
    assert body["kind"] == "failed" and "feeds.toml" in body["text"]
