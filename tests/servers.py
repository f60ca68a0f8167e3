"""Real servers on 127.0.0.1: web, SFTP (asyncssh) and S3 (moto) to extract from, mail and webhooks.

Each takes a free port, belongs to the test that starts it, and is gone after it.
"""

import asyncio
import json
import os
import socketserver
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh
import boto3
from fsspec.asyn import get_loop, sync
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

BODY = b"no_ska;status_pengajuan\n" + bytes(range(32, 127)) * 20_000  # 1.9 MB: several reads


@dataclass
class Site:
    """One file on a web server, and how the server behaves when it is asked for."""

    body: bytes = BODY
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    redirect: str | None = None
    lengthless: bool = False  # GETs say no Content-Length and end when the connection does
    authorization: str | None = None  # the header without which the answer is 401
    script: list[int] = field(default_factory=list)  # a status, or -n: cut off after n bytes
    heads: list[int] = field(default_factory=list)  # statuses of the first HEADs
    asked: list[tuple[str, str | None, int]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)  # the Authorization of each request
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ska/{{office}}/{{period}}.csv"

    def gets(self) -> list[tuple[str | None, int]]:
        return [(span, status) for verb, span, status in self.asked if verb == "GET"]


@contextmanager
def web_server() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.answer(site.heads.pop(0) if site.heads else 200)

        def do_GET(self) -> None:
            self.answer(site.script.pop(0) if site.script else 200)

        def answer(self, plan: int) -> None:
            span, versions = self.headers["Range"], (site.etag, site.modified)
            site.shown.append(self.headers["Authorization"])
            start = 0
            status = plan if plan > 0 else 200
            if site.authorization not in (None, self.headers["Authorization"]):
                status = 401
            elif site.redirect and self.path != "/led":
                status = 302
            elif status == 200 and span and site.ranges and self.headers["If-Range"] in versions:
                status, start = 206, int(span.removeprefix("bytes=").rstrip("-"))
            site.asked.append((self.command, span, status))
            body = site.body[start:] if status in (200, 206) else b"sorry"
            self.send_response(status)
            if status == 302:
                self.send_header("Location", str(site.redirect))
            if status == 206:
                end = len(site.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(site.body)}")
            if site.etag:
                self.send_header("ETag", site.etag)
            if site.modified:
                self.send_header("Last-Modified", site.modified)
            if site.lengthless and self.command == "GET":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body if plan > 0 else body[:-plan])
            if plan < 0:
                self.wfile.flush()
                threading.Event().wait(0.1)  # let the client read what came
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


USER, PASSWORD = "pengguna", "s3cret-sftp"


@dataclass
class Sftp:
    """An SFTP server over a folder. `reads` is called before each read, `logins` counts them."""

    folder: Path
    host_key: str
    user_key: asyncssh.SSHKey
    port: int = 0
    reads: Callable[[], Any] = lambda: None
    logins: int = 0
    sessions: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"sftp://127.0.0.1:{self.port}/{path}"

    def hang_up(self) -> None:
        for session in self.sessions:
            session.abort()


@contextmanager
def sftp_server(folder: Path) -> Iterator[Sftp]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    host_key = key.export_public_key().decode().strip()
    server = Sftp(folder, host_key, asyncssh.generate_private_key("ssh-ed25519"))

    class Login(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            server.sessions.append(conn)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return key.public_data == server.user_key.public_data

        def auth_completed(self) -> None:
            server.logins += 1

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=os.fsencode(folder))

        async def read(self, file: object, offset: int, size: int) -> bytes:
            if (waited := server.reads()) is not None:
                await waited
            return super().read(file, offset, size)  # type: ignore[return-value]

        async def scandir(self, path: bytes) -> Any:
            if not stat.S_IMODE(Path(os.fsdecode(self.map_path(path))).stat().st_mode):
                raise asyncssh.SFTPPermissionDenied("no rights")  # the tests may run as root
            async for one in super().scandir(path):
                yield one

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Login, server_host_keys=[key], sftp_factory=Files
        )

    acceptor = sync(get_loop(), start, timeout=20)
    server.port = acceptor.get_port()

    async def stop() -> None:
        acceptor.close()
        server.hang_up()
        await asyncio.wait_for(acceptor.wait_closed(), 10)

    try:
        yield server
    finally:
        sync(get_loop(), stop, timeout=20)


@contextmanager
def s3_server() -> Iterator[Any]:
    """moto with the bucket `ska`: (endpoint, a boto3 client)."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="kunci",
        aws_secret_access_key="s3cret-s3",  # noqa: S106
    )
    client.create_bucket(Bucket="ska")
    try:
        yield endpoint, client
    finally:
        server.stop()


@dataclass
class Hook:
    """A web server that takes POSTs. `script` are its first answers, then 200."""

    port: int = 0
    script: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)  # headers, JSON

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/S3CRET"


@contextmanager
def hook_server() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.got.append((dict(self.headers), json.loads(body)))
            self.send_response(hook.script.pop(0) if hook.script else 200)
            self.send_header("Location", hook.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as hook.port:
        yield hook


@dataclass
class Post:
    """A mail server. `refuses` are addresses it doesn't know; `script` are its first greetings."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    refuses: set[str] = field(default_factory=set)
    script: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # every command, with `(tls)` when encrypted
    got: list[bytes] = field(default_factory=list)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[Post]:
    post = Post(tls=tls)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())
            self.wfile.flush()

        def handle(self) -> None:
            encrypted = ""
            self.say(f"{post.script.pop(0) if post.script else 220} loopback")
            while line := self.rfile.readline():
                text = line.decode().strip()
                post.said.append(f"{text}{encrypted}")
                verb = text.split(" ")[0].upper()
                if verb == "EHLO":
                    offer = "AUTH PLAIN" if encrypted or not tls else "STARTTLS"
                    self.say(f"250-loopback\r\n250 {offer}")
                elif verb == "STARTTLS" and tls:
                    self.say("220 go on")
                    self.request = tls.wrap_socket(self.request, server_side=True)
                    self.setup()
                    encrypted = " (tls)"
                elif verb == "RCPT":
                    address = text.partition("<")[2].partition(">")[0]
                    self.say("550 unknown" if address in post.refuses else "250 fine")
                elif verb == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (one := self.rfile.readline()) not in (b".\r\n", b""):
                        lines.append(one.removeprefix(b"."))
                    post.got.append(b"".join(lines))
                    self.say("250 taken")
                elif verb == "QUIT":
                    return self.say("221 bye")
                else:
                    self.say("235 welcome" if verb == "AUTH" else "250 fine")

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as post.port:
        yield post


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    """The port of a server that runs in a thread until the end."""
    server.daemon_threads = True  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
