"""Connections: what opens a source, as Airflow writes it. No secret shows in a repr."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.messages import Problem


@dataclass(frozen=True)
class Connection:
    """Credentials of a source. `host`, when it is given, is the only one they are sent to."""

    name: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    extra: dict[str, str] = field(default_factory=dict, repr=False)

    def require_host(self, host: str | None) -> None:
        """Raises Problem `bad_connection`: who may edit a feed may not redirect its password."""
        if self.host and self.host != host:
            error = f"it is for the host {self.host}, the feed's url says {host}"
            raise Problem("bad_connection", connection=self.name, error=error)


def parse(name: str, text: str) -> Connection:
    """Read Airflow's JSON or URI format, as in AIRFLOW_CONN_<NAME>. Raises `bad_connection`.

    The errors of the parsers hold the text: they are not chained to the Problem.
    """
    try:
        if text.lstrip().startswith("{"):
            fields = json.loads(text)
            extra = fields.get("extra") or {}
            if isinstance(extra, str):
                extra = json.loads(extra)
        else:
            parts = urlsplit(text.strip())
            if not parts.scheme:
                raise ValueError
            fields = {
                "login": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
                "host": unquote(parts.hostname or ""),
                "port": parts.port,
            }
            extra = dict(parse_qsl(parts.query, keep_blank_values=True))
            extra = json.loads(extra.get("__extra__", "null")) or extra
        login, password, host = (
            str(fields.get(key) or "") for key in ("login", "password", "host")
        )
        return Connection(
            name,
            login,
            password,
            urlsplit("//" + host.rpartition("://")[2]).hostname or "",
            int(fields.get("port") or 0),
            {key: str(value) for key, value in extra.items() if value},
        )
    except (ValueError, TypeError, AttributeError):
        error = "neither Airflow's JSON nor its URI format"
        raise Problem("bad_connection", connection=name, error=error) from None
