"""Facts that could not be booked, kept in a file until the store is back.

One JSON line for each, on disk before the request goes on. Processes append under a file lock, so
lines never mix. A crash may leave the last line torn: the next one begins on a line of its own, and
what cannot be read was never answered for.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import json
import logging
import os
import time
import typing as t
from pathlib import Path

from ..state import BillingState

try:
    import fcntl
except ImportError:  # Windows: one process only
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("flask_billing.metering")

#: How often a process looks for what others left, in seconds.
_LOOK_EVERY: t.Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """Usage that is still to be booked.

    :param at: when it happened, as ISO 8601.
    :param columns: further columns of the event, ready for the driver.
    :param customer_id: None where the customer could not be looked up either.
    :param owner: type and id of who pays, then.
    """

    meter: str
    quantity: int
    key: str
    at: str
    columns: dict[str, t.Any]
    customer_id: int | None = None
    owner: tuple[str, str] | None = None


def keep(current: BillingState, fact: Fact) -> bool:
    """Put a fact on disk; whether it is there.

    What cannot be kept is in the log alone: usage that is not counted breaks no request.
    """
    path = path_of(current)

    if path is None:
        return False

    line = json.dumps(dataclasses.asdict(fact), separators=(",", ":")).encode() + b"\n"
    most: int = current.app.config["BILLING_SPOOL_MAX_BYTES"]

    try:
        path.parent.mkdir(parents=True, exist_ok=True)

        with _locked(path, "lock"), path.open("a+b") as file:
            size = file.seek(0, os.SEEK_END)

            if size + len(line) > most:
                log.error("%s is full: %s is not kept", path, fact)
                return False

            _append(file, size, line)
            _sync_folder(path)
    except OSError:
        log.exception("%s cannot be written: %s is not kept", path, fact)
        return False

    look_again(current)
    return True


def is_waiting(current: BillingState) -> bool:
    """Whether facts wait to be booked, as far as this process knows. Cheap."""
    now = time.monotonic()

    if now < current.caches.get("metering.spool.look_at", 0.0):
        return False

    current.caches["metering.spool.look_at"] = now + _LOOK_EVERY
    path = path_of(current)
    return path is not None and _is_there(path)


def look_again(current: BillingState) -> None:
    """Let the next booking look whether facts wait."""
    current.caches["metering.spool.look_at"] = 0.0


@contextlib.contextmanager
def taken(current: BillingState) -> c.Iterator[list[bytes]]:
    """The lines to book, for one process at a time. What is left in the list stays in the spool.

    Facts that arrive meanwhile go to a fresh file, and wait for the next time.
    """
    path = path_of(current)

    # Where nothing waits no lock is taken either: it is a file, and the folder may be read-only.
    if path is None or not _is_there(path):
        yield []
        return

    with _locked(path, "replay", wait=False) as mine:
        if not mine:
            yield []
            return

        batch = _taken(path)

        if not batch.exists():
            with _locked(path, "lock"), contextlib.suppress(FileNotFoundError):
                path.replace(batch)

        try:
            before = batch.read_bytes().splitlines()
        except FileNotFoundError:
            before = []

        lines = list(before)

        try:
            yield lines
        finally:
            if len(lines) < len(before):
                _leave(batch, lines)


def set_aside(current: BillingState, line: bytes) -> None:
    """Keep a line that can never be booked beside the spool, for somebody to look at."""
    path = path_of(current)
    assert path is not None

    with path.with_name(f"{path.name}.rejected").open("a+b") as file:
        _append(file, file.seek(0, os.SEEK_END), line + b"\n")


def path_of(current: BillingState) -> Path | None:
    """The spool of this app; None where it has none."""
    name = current.app.config["BILLING_SPOOL"]
    return None if name is None else Path(current.app.instance_path) / name


def _append(file: t.BinaryIO, size: int, line: bytes) -> None:
    if size:
        file.seek(size - 1)

        if file.read(1) != b"\n":  # torn by a crash
            line = b"\n" + line

    file.write(line)
    file.flush()
    os.fsync(file.fileno())


def _leave(batch: Path, lines: list[bytes]) -> None:
    """Put what was not booked in place of the batch, in one step."""
    if not lines:
        batch.unlink()
        return

    rest = batch.with_name(f"{batch.name}.rest")

    with rest.open("wb") as file:
        file.write(b"\n".join(lines) + b"\n")
        file.flush()
        os.fsync(file.fileno())

    rest.replace(batch)


def _is_there(path: Path) -> bool:
    return path.exists() or _taken(path).exists()


def _taken(path: Path) -> Path:
    return path.with_name(f"{path.name}.taken")


@contextlib.contextmanager
def _locked(path: Path, purpose: str, *, wait: bool = True) -> c.Iterator[bool]:
    """Hold a lock among threads and processes; False where another has it and we do not wait."""
    with path.with_name(f"{path.name}.{purpose}").open("ab") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return

        yield True  # closing the file gives the lock back


def _sync_folder(path: Path) -> None:
    """A new file is safe once its folder knows of it."""
    if fcntl is None:
        return

    folder = os.open(path.parent, os.O_RDONLY)

    try:
        os.fsync(folder)
    finally:
        os.close(folder)
