"""The command `winnow`: a thin layer on the library, one file for each command."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module

from winnow.errors import RecipeError, UnknownName, WinnowError

COMMANDS = {
    "run": "find the tickets of a recipe, training only what is not stored yet",
    "stability": "how far pruning and data order move where training from k ends",
    "instability": "the error between two networks trained from the same k under different noise",
    "onset": "the least k from which training is stable: where to rewind to",
    "inspect": "a network's parameters: which are pruned and why, and how many remain at each level",
    "plan": "what a run would train, what is stored already, and an estimate of time and disk",
    "list": "the bundled recipes",
    "show": "a recipe as TOML that `run` accepts",
    "results": "everything measured, as one tidy table",
    "compare": "two or more sets of results: accuracy against density, differences, what each costs",
    "masks": "what a run's masks have in common, which layers and units they empty, whether signs stay",
    "report": "one page that shows what a store holds, and what it says",
    "reproduce": "the papers' numbers beside ours, from runs that train what is missing",
    "ticket": "write a ticket to a file: its mask, its rewind point and where they came from",
    "data": "the data sets: list them, fetch one, tell where it lies",
    "store": "the stored results: list, show, verify, remove experiments, clean up",
}

RESUMED = ("run", "stability", "instability", "onset", "reproduce", "data")
"""Commands that go on where they were interrupted; the others only read."""

EXIT_CODES = """\
exit codes: 0 done; 1 an error, told on standard error; 2 wrong usage: a command, an option or a recipe that
cannot mean anything; 3 done, but some trainings failed; 130 interrupted (the same command resumes)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]  # here `list` may be the module of `winnow list`
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except WinnowError as error:
        say(str(error))
        return 2 if isinstance(error, RecipeError) else 1
    except KeyboardInterrupt:
        again = " What was under way is saved; the same command resumes." if words[0] in RESUMED else ""
        sys.stderr.write(f"\nwinnow: interrupted.{again}\n")
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        _discard_output()
        return 0
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        say(
            f"standard output is in the encoding '{error.encoding}', which has no {letter!r}. Set "
            f"PYTHONIOENCODING=utf-8 in the environment."
        )
        return 1
    except OSError as error:
        if not _output_fails():
            raise
        _discard_output()
        say(f"writing to standard output failed: {error.strerror}. What was stored before is safe.")
        return 1


def _run(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_usage())  # noqa: T201
        return 0 if words else 2
    if words[0] in ("-V", "--version", "version"):
        from winnow.store.manifest import winnow_version

        print(f"winnow {winnow_version()}")  # noqa: T201
        return 0
    if words[0] not in COMMANDS:
        raise UnknownName("command", words[0], COMMANDS)
    with _warnings_on_stderr():
        command = import_module(f"winnow.cli.{words[0]}").main
        return command(words[1:]) if os.environ.get("WORLD_SIZE", "1") == "1" else _in_a_team(command, words[1:])


def _output_fails() -> bool:
    """Whether standard output takes nothing, so that an error is of it and not of some file."""
    try:
        os.write(1, b"\n")
    except OSError:
        return True
    return False


def _discard_output() -> None:
    """Let go of what standard output has not taken, which Python would try to write once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_a_team(command: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Run a command in the first of the processes that torchrun started, with the others' help."""
    from winnow.execution.follow import follow
    from winnow.execution.team import led

    with led() as team:
        if team is None:
            return command(words)
        follow(team)
    return 0


def say(message: str) -> None:
    """Tell the user something on standard error."""
    sys.stderr.write("winnow: " + message.replace("\n", "\n        ") + "\n")


class _OnStderr(logging.Handler):
    """Shows the library's warnings as the command's own, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if (message := record.getMessage()) not in self._said:
            self._said.add(message)
            say(message)


@contextmanager
def _warnings_on_stderr() -> Generator[None]:
    handler, log = _OnStderr(), logging.getLogger("winnow")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _usage() -> str:
    lines = [f"  {name:13}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: winnow COMMAND ...",
            "",
            "Finds winning lottery tickets: sparse subnetworks that train alone to the accuracy of the whole.",
            "",
            *lines,
            "",
            "`winnow COMMAND --help` tells more. Start with: winnow run digits",
            EXIT_CODES,
        ]
    )
