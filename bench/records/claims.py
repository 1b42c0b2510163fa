"""Claims: of several processes that want to make one file, one does, on whatever machine they run.

A claim is a file created exclusively, with its owner inside and how far the work has come; its time
is the owner's heartbeat. Who finds the claim of a dead owner makes the next one, by number, so that
of several takers one succeeds. No clocks are compared and no locks asked for: it holds over a
shared file system. Claims lie in a folder beside the files that are to be made: it is listed for
each run, and is as long as there are runs in hand, however many have been kept.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import msgspec
import psutil
from msgspec import Struct, structs

from bench.records.files import UNFINISHED
from bench.system.clock import now

BEAT_S = 10.0
LAPSE_S = 60.0  # without a heartbeat, watched from another host
LOOK_S = 1.0  # how often to see whether another process has come to its end
SUFFIX = ".claim"
LENGTH = 512  # bytes of a claim
TIMING = "timing"  # in a machine's folder: who holds it takes the times of that machine
SAME_START_S = 5.0  # start times of one process, read twice, differ by less


class Owner(Struct, frozen=True):
    """A process: where it runs, its number there, when it was started; and how far its work is."""

    host: str
    pid: int
    started: float
    step: int = 0
    loss: float | None = None
    error: float | None = None

    def is_dead(self) -> bool:
        """Return whether the process, one of this host, has ended."""
        try:
            process = psutil.Process(self.pid)
            lives = process.status() != psutil.STATUS_ZOMBIE
            return not lives or abs(process.create_time() - self.started) > SAME_START_S
        except psutil.NoSuchProcess:
            return True


def host() -> str:
    """Return what tells this host from others, those of the same image too, until it restarts."""
    words = [platform.node()]
    with suppress(OSError):
        words += [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
        words += [os.readlink("/proc/self/ns/pid")]
    return " ".join(words)


class Claims:
    """The claims that this process holds, and what it has seen of others'."""

    def __init__(self) -> None:
        self.owner = Owner(host(), os.getpid(), psutil.Process().create_time())
        self.own: dict[Path, Path] = {}
        self.beats: dict[Path, tuple[int, float]] = {}

    def take(self, target: Path) -> bool:
        """Claim a file that is to be made; return whether it is ours."""
        if target in self.own:
            return True
        earlier = _list_claims(target.parent, f"{target.name}{SUFFIX}")
        if earlier and not self.has_lapsed(earlier[-1]):
            return False
        number = _number(earlier[-1]) + 1 if earlier else 0
        claim = target.parent / UNFINISHED / f"{target.name}{SUFFIX}{number}"
        claim.parent.mkdir(parents=True, exist_ok=True)
        try:
            with claim.open("xb") as stream:
                self.own[target] = claim
                stream.write(_encode(self.owner))
        except FileExistsError:
            return False
        for file in earlier:
            file.unlink(missing_ok=True)
        return True

    def wait(self, target: Path) -> None:
        """Claim a file, however long another process holds it; say so if one does."""
        if not self.take(target):
            print(f"waiting for another process, which has claimed {target}", flush=True)
        while not self.take(target):
            Event().wait(LOOK_S)

    def note(
        self, target: Path, step: int, loss: float | None = None, error: float | None = None
    ) -> None:
        """Say how far the work on a file has come, if it is ours still."""
        owner = structs.replace(self.owner, step=step, loss=loss, error=error)
        with suppress(KeyError, OSError), self.own[target].open("r+b") as stream:
            stream.write(_encode(owner))

    def release(self, target: Path) -> None:
        """Leave a file to others; nothing if it is not ours."""
        if target in self.own:
            with suppress(OSError):
                self.own.pop(target).unlink()

    def beat(self, over: Event) -> None:
        """Show that the owner lives, until all is over."""
        while not over.wait(BEAT_S):
            for claim in [*self.own.values()]:
                with suppress(OSError):
                    os.utime(claim)

    def has_lapsed(self, claim: Path) -> bool:
        """Return whether its owner is dead, or has not been seen to live for long."""
        beat = 0
        try:
            beat, text = claim.stat().st_mtime_ns, claim.read_bytes()
        except FileNotFoundError:
            return False
        owner = _decode(text)
        if owner and owner.host == self.owner.host:
            return owner.is_dead()
        seen, since = self.beats.setdefault(claim, (beat, now()))
        if seen != beat:
            self.beats[claim] = beat, now()
            return False
        return now() - since > LAPSE_S


def read_claims(folder: Path) -> dict[Path, Path]:
    """Return the claims on files in a folder, by the files, of each the one that counts."""
    return {folder / claim.name.rpartition(SUFFIX)[0]: claim for claim in _list_claims(folder)}


def read_owner(claim: Path | None) -> Owner | None:
    """Return who holds a claim, None if there is none or it does not say."""
    try:
        return _decode(claim.read_bytes()) if claim else None
    except OSError:
        return None


def _encode(owner: Owner) -> bytes:
    """Return the text of a claim, always of one length, so that it can be written over."""
    return msgspec.json.encode(owner).ljust(LENGTH)


def _decode(text: bytes) -> Owner | None:
    try:
        return msgspec.json.decode(text, type=Owner)
    except msgspec.MsgspecError:  # it was killed before it could say
        return None


@contextmanager
def claiming() -> Iterator[Claims]:
    """Yield the claims of this process, kept alive and in the end released."""
    claims, over = Claims(), Event()
    Thread(target=claims.beat, args=(over,), daemon=True).start()
    try:
        yield claims
    finally:
        over.set()
        for target in [*claims.own]:
            claims.release(target)


@contextmanager
def hold(target: Path) -> Iterator[None]:
    """Wait until no other process holds a file, and hold it."""
    with claiming() as claims:
        claims.wait(target)
        yield


def _list_claims(folder: Path, start: str = "") -> list[Path]:
    """Return the claims on files in a folder whose names start so, those that count last."""
    try:
        names = os.listdir(folder / UNFINISHED)
    except FileNotFoundError:
        return []
    claims = [n for n in names if n.startswith(start) and SUFFIX in n and n[-1].isdigit()]
    return sorted((folder / UNFINISHED / name for name in claims), key=_number)


def _number(claim: Path) -> int:
    return int(claim.name.rpartition(SUFFIX)[2])
