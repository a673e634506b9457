"""Keeps a session between two commands: its server and its id in a file, never the password."""

import json
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import typer

from tailrace.errors import ClientError

# A session file holds two short texts; anything longer is another file.
_LARGEST_FILE_BYTES = 65_536
_LONGEST_PASSWORD_LINE = 65_536


def ask_password() -> str:
    """Ask for a password on the terminal, or take the first line of standard input; raises a usage error."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, err=True))
    password = sys.stdin.readline(_LONGEST_PASSWORD_LINE).rstrip("\r\n")
    if not password:
        raise typer.BadParameter("A password is needed: on standard input, or in TAILRACE_PASSWORD.")
    return password


def write_session(path: Path, url: str, session: str) -> None:
    """Write the session file as a whole, readable by its owner alone; raises ClientError."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"url": url, "session": session}, file)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ClientError(f"The session file '{path}' cannot be written: {error.strerror}.") from None


def read_session(path: Path) -> tuple[str, str]:
    """Read address and session; raises NotSignedIn when there is no file, ClientError for another fault."""
    from tailrace.client.smartsync import NotSignedIn

    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(_LARGEST_FILE_BYTES))
        url, session = kept["url"], kept["session"]
    except FileNotFoundError:
        raise NotSignedIn(f"There is no session: '{path}' is not there.", status=401) from None
    except OSError as error:
        raise ClientError(f"The session file '{path}' cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        url = session = None
    if not isinstance(url, str) or not isinstance(session, str) or not session:
        raise ClientError(f"'{path}' is no session file; `tailrace smartsync login` writes one.")
    return url, session
