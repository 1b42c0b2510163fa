"""What ends a command: Ctrl-C, TERM and HUP, once to clean up first, twice to end at once."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = "interrupted; what had finished is kept, the same command continues"
CLEANING_S = 1.5  # then it ends at once, as a module that is being imported may swallow the first


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command, after it has cleaned up, with this exit code."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def end_at_once() -> None:
    """Have any of the signals end this process with a line and nothing else."""
    _handle(_end)


def clean_up_first() -> None:
    """Have the first of the signals raise `Interrupted`, and the next one end the process."""
    _handle(_interrupt)


def ignore() -> None:
    """Have no signal, nor the alarm, change how this process ends, now that it has cleaned up.

    Python takes handlers away before it has ended, and the system would then end it another way.
    """
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _handle(handler: Callable[[int, object], NoReturn]) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> NoReturn:
    end_at_once()
    signal.signal(signal.SIGALRM, lambda _, frame: _end(number, frame))
    signal.setitimer(signal.ITIMER_REAL, CLEANING_S)
    raise Interrupted(number)


def _end(number: int, frame: object) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"{STOPPED}\n".encode())
    os._exit(128 + number)
