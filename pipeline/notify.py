"""Messages: how a run ended, by e-mail, webhook or Slack. The same trouble is told once.

A channel is a connection `ipska_mail`, `ipska_webhook` or `ipska_slack`. What each was told stands
in the ledger (kind `message`). A failure is told by its kind and number only: a webhook's address
is a secret, and the errors of the libraries quote it.
"""

import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, NoReturn
from urllib.parse import urlsplit

from fsspec.asyn import get_loop, sync

from pipeline import connections, ledger, sources, store
from pipeline.connections import Connection
from pipeline.messages import Problem, shown
from pipeline.settings import settings

Facts = dict[str, Any]
Lookup = Callable[[str], str | None]
KEPT = 10  # runs whose message is still owed
SLACK_LIMIT = 30_000
NOTHING: Facts = {"told": [], "owed": [], "error": None}
SUBJECTS = {
    "failed": "GAGAL / FAILED",
    "trouble": "masalah baru / new trouble",
    "recovered": "pulih / recovered",
    "owed": "pesan tertunda / message that was held up",
}
HEADS = {
    "recovered": "Semua masalah yang pernah disampaikan sudah selesai. / "
    "All trouble that was told before is over.",
    "owed": "Pesan tentang proses ini tidak terkirim / Messages of these runs were not delivered: ",
}
# Kinds of `wrong`. The text of a run shows a few of each, and no slice outside its months.
NEW, SHOWN = "Baru / New:", 100
KINDS = {
    "failed": "gagal diambil / not fetched",
    "refused": "ditolak / refused",
    "correction": "koreksi / correction",
    "stopped": "berhenti / stopped",
    "moved": "bergeser / moved",
    "deadline": "tenggat / deadline",
    "late": "terlambat / late",
    "stale": "kiriman lama dipakai / older delivery stands in",
}


@dataclass(frozen=True)
class Message:
    """What is sent. `text` is that of the run in both languages, control characters shown."""

    run_id: str
    kind: str
    exit_code: int
    subject: str
    text: str


def wrong(entry: Facts) -> list[str]:
    """What is wrong at the end of a run, in a form that can be compared between runs."""
    extracted, validated = entry["extract"] or {}, entry["validate"] or {}
    found = [
        f"failed {one['feed']}/{one['slice']} {one['code']}" for one in extracted.get("failed", [])
    ]
    found += [f"correction {one['en']}" for one in validated.get("corrections", [])
              if one["is_overdue"]]  # fmt: skip
    if entry["failed_at"]:
        problem = entry["problem"] or {}
        found += [f"stopped {entry['failed_at']} {problem.get('code')}"]
        found += [f"refused {one['delivery_id']}" for one in validated.get("refused", [])]
        found += [f"moved {line}" for line in problem.get("moved", [])]
    if due := entry.get("deadline_missed"):
        found.append(f"deadline {due}")
    for kind in ("late", "stale"):
        found += [f"{kind} {one['feed']}/{one['slice']}" for one in entry.get(kind, [])]
    return sorted({*found})


def channels() -> dict[str, Facts]:
    """By channel: the trouble `told` last, runs whose message is `owed`, the `error` if any."""
    told = [entry for entry in ledger.entries() if entry["kind"] == "message"]
    return dict(told[-1]["channels"]) if told else {}


def tell(entry: Facts, lookup: Lookup) -> list[Facts]:
    """Send the message of a run through every channel to which it is new; what failed, as Problems.

    New: trouble not told before, rows newly set aside, all trouble over, or a message still owed.
    A failure here fails no run: the channel is owed the message at the next one.
    """
    if any(one.get("about") == entry["run_id"] for one in ledger.entries()):
        return []  # Airflow may run a task again after a lost heartbeat
    before, present = channels(), wrong(entry)
    news = bool((entry["publish"] or {}).get("newly_wrong"))
    after: dict[str, Facts] = {}
    for channel, send in SENDERS.items():
        known = NOTHING | before.get(channel, {})
        # Any other run looks at some months only: nothing is over by it.
        still = [] if entry["kind"] == "nightly" else known["told"]
        now = sorted({*present, *still})
        kind = _kind(entry, known, now, news)
        try:
            if not (text := lookup(f"ipska_{channel}")):
                continue
            connection = connections.parse(f"ipska_{channel}", text)
            new = [one for one in now if one not in known["told"]]
            partly = kind and _sent(send, connection, _message(entry, kind, known["owed"], new))
            error = _failed(channel, partly) if partly else None
            after[channel] = {"told": now, "owed": [], "error": error}
        except Exception as failure:  # whatever a server or a library does
            owed = [*known["owed"], entry["run_id"]][-KEPT:] if kind else known["owed"]
            error = _failed(channel, _why(failure))
            if isinstance(failure, Problem):
                error = failure.as_dict()
            after[channel] = {**known, "owed": owed, "error": error}
    if after != before:
        about = {"about": entry["run_id"], "channels": after, "started_at": store.now().isoformat()}
        run_id = ledger.new_run_id("message")
        with suppress(OSError):  # a full disk: the message has gone out, and may go out once more
            ledger.record({"run_id": run_id, "kind": "message", "exit_code": 0, **about})
    return [state["error"] for state in after.values() if state["error"]]


def _kind(entry: Facts, known: Facts, now: list[str], news: bool) -> str | None:
    """Why a channel is told of a run; None when it isn't."""
    if news or set(now) - set(known["told"]):
        return "failed" if entry["failed_at"] else "trouble"
    if known["told"] and not now:
        return "recovered"
    return "owed" if known["owed"] else None


def _message(entry: Facts, kind: str, owed: list[str], new: list[str]) -> Message:
    months = entry["months"]
    what = [entry["kind"], *([months[0], "–", months[-1]] if months else [])]
    lines = [HEADS["recovered"]] if kind == "recovered" else []
    lines += [HEADS["owed"] + ", ".join(owed)] if owed else []
    if new:
        told = [f"  {KINDS[what]}: {rest}" for what, rest in (one.split(" ", 1) for one in new)]
        lines += [NEW, *told[:SHOWN], *[f"  … {len(new) - SHOWN}"] * (len(new) > SHOWN), ""]
    lines += [*entry["text_id"].split("\n"), "", *entry["text_en"].split("\n")]
    return Message(
        entry["run_id"],
        kind,
        entry["exit_code"],
        shown(f"ipska: {SUBJECTS[kind]}: {' '.join(what)}"),
        "\n".join(shown(line, 2000) for line in lines) + "\n",
    )


def _failed(channel: str, error: str) -> Facts:
    return Problem("message_failed", channel=channel, error=error).as_dict()


def _why(failure: BaseException) -> str:
    """What can be said of a failure without quoting what it quotes."""
    if isinstance(failure, sources.Failure):
        return str(failure.strerror)
    known = (_status(failure), getattr(failure, "strerror", None))
    return f"{type(failure).__name__} {next(filter(None, known), '')}".strip()


def _status(failure: BaseException) -> int:
    """The number that a mail or web server answered; 0 when it was none."""
    return getattr(failure, "smtp_code", None) or getattr(failure, "status", None) or 0


def _sent(send: Callable[[Connection, Message], str], *what: Any) -> str:
    """Try again where that can help; what a server took only partly, or ''."""
    for left in range(settings().fetch_retries, -1, -1):
        try:
            return send(*what)
        except OSError as error:
            is_mail, status = isinstance(error, smtplib.SMTPException), _status(error)
            is_for_now = status // 100 == (4 if is_mail else 5) or status in (0, 429)
            if not left or not is_for_now:
                raise
        time.sleep(settings().fetch_backoff_s * 2 ** (settings().fetch_retries - left))
    raise AssertionError("the last try returns or raises")


def _mail(connection: Connection, message: Message) -> str:
    """`to` and `from` stand in extra; `security` there is starttls (if not said), tls or none."""
    extra, wait = connection.extra, settings().fetch_timeout_s
    to = [one.strip() for one in extra.get("to", "").split(",") if one.strip()]
    security = extra.get("security", "starttls")
    if not to or not connection.host or security not in ("starttls", "tls", "none"):
        _bad(connection, "a host, `to` in extra, and `security` starttls, tls or none are needed")
    if connection.login and security == "none" and not sources.is_loopback(connection.host):
        _bad(connection, "a password needs `security` starttls or tls")
    mail = EmailMessage()
    sender = extra.get("from") or to[0]
    try:
        mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(to), message.subject
    except ValueError:
        _bad(connection, "`from` or `to` holds what no address may")
    mail["Date"] = format_datetime(store.now())
    mail["Message-ID"] = make_msgid(message.run_id, domain=socket.gethostname())
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    context = ssl.create_default_context(cafile=extra.get("ca_file"))
    name = socket.gethostname()
    port = connection.port or {"tls": 465, "starttls": 587, "none": 25}[security]
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            connection.host, port, name, timeout=wait, context=context
        )
    else:
        server = smtplib.SMTP(connection.host, port, name, timeout=wait)
    with server:
        if security == "starttls":
            server.starttls(context=context)
        if connection.login:
            server.login(connection.login, connection.password)
        refused = server.send_message(mail)
    return f"{len(refused)} of {len(to)} addresses refused" if refused else ""


def _webhook(connection: Connection, message: Message) -> str:
    return _post(connection, vars(message))


def _slack(connection: Connection, message: Message) -> str:
    """Text is text: names may hold what Slack reads as a link or a call to everybody."""
    text = f"{message.subject}\n{message.text}"
    for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, name)
    plain = {"mrkdwn": False, "link_names": False, "unfurl_links": False, "unfurl_media": False}
    return _post(connection, {"text": text[:SLACK_LIMIT], **plain})


def _post(connection: Connection, body: Facts) -> str:
    """POST to `url` of extra; login and password are basic auth, a password alone is a bearer."""
    from pipeline import web  # with aiohttp, 0.2 s

    url = connection.extra.get("url", "")
    try:
        sources.require_https(url)
    except Problem:
        _bad(connection, "`url` in extra must be an https address")
    connection.require_host(urlsplit(url).hostname)
    with web.failures():
        sync(get_loop(), _posted, url, body, web.authorization(connection))
    return ""


async def _posted(url: str, body: Facts, headers: dict[str, str]) -> None:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=settings().fetch_timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True, raise_for_status=True) as session,
        session.post(url, json=body, headers=headers, allow_redirects=False) as answer,
    ):
        if answer.status >= 300:  # a redirect: the address is not the one that was meant
            raise aiohttp.ClientResponseError(
                answer.request_info, answer.history, status=answer.status
            )


def _bad(connection: Connection, error: str) -> NoReturn:
    raise Problem("bad_connection", connection=connection.name, error=error)


SENDERS = {"mail": _mail, "webhook": _webhook, "slack": _slack}
