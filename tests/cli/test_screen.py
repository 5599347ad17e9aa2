"""The terminal: the bar of long runs, and names that would steer it."""

import io
import sys
import threading
import time

import pytest
from contract import WATCHDOG
from rich.text import Text

from actdiag.cli import screen


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def awaited(self, text):
        """Wait until the text was drawn, or fail."""
        deadline = time.monotonic() + WATCHDOG
        while text not in self.getvalue():
            assert time.monotonic() < deadline, self.getvalue()


def terminal_for(monkeypatch):
    """Put a terminal in place of standard error; in the test itself, for pytest puts its own there before each."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setattr(screen, "_PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    return found


def test_a_bar_appears_before_the_first_step_and_tells_what_is_done(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with screen.Bar("iterations") as tell:
        terminal.awaited("starting")
        tell(1, 4)
        terminal.awaited("iterations")
        terminal.awaited("25%")
        tell.now("changes that may fix it")
        terminal.awaited("changes that may fix it")
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is cleared


def test_a_bar_takes_one_thread_from_the_start_on(monkeypatch):
    """Were one started later, Python would wait forever for it if memory were short."""
    terminal = terminal_for(monkeypatch)
    before = set(threading.enumerate())
    with screen.Bar():
        first = set(threading.enumerate()) - before
        terminal.awaited("starting")
        assert set(threading.enumerate()) - before == first
        assert len(first) == 1


@pytest.mark.parametrize("error", [MemoryError, ImportError, OSError])
def test_a_bar_that_cannot_be_drawn_is_left_out(monkeypatch, error):
    terminal = terminal_for(monkeypatch)
    tried = threading.Event()

    def fails(bar):
        tried.set()
        raise error

    monkeypatch.setattr(screen.Bar, "_show", fails)
    with screen.Bar() as tell:
        assert tried.wait(WATCHDOG)
        tell(1, 2)
    assert terminal.getvalue() == ""


def test_a_short_run_shows_no_bar(monkeypatch):
    terminal = terminal_for(monkeypatch)
    monkeypatch.setattr(screen, "_PATIENCE", 3600.0)
    with screen.Bar() as tell:
        tell(1, 2)
    assert terminal.getvalue() == ""


def test_no_bar_where_no_terminal_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(screen, "_PATIENCE", 0.0)
    with screen.Bar() as tell:
        tell(1, 2)
    assert sys.stderr.getvalue() == ""


def test_names_do_not_steer_the_terminal(capsys):
    screen.show(lambda width, plain: Text("a\x1b[31mb\u202ec"))
    screen.tell("Error: \x1b[2J\nfile")
    shown = capsys.readouterr()
    assert shown.out == "a\\x1b[31mb\\u202ec\n"
    assert shown.err == "Error: \\x1b[2J file\n"
