"""Outputs: names that no file has, folders, files that are read, the same file twice, devices, pipes, full disks."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hostile.case import Case, nothing

_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_TRAIN = ("train", "--data", "synthetic:rows=20", "--init", "he", *_SMALL, "--iterations", "1")
WRITERS = {
    "propagate": (("propagate", *_SMALL), ("json", "csv", "png")),
    "grad-flow": (("grad-flow", *_SMALL), ("json", "csv", "png")),
    "compare": (("compare", "--act", "relu", "--init", "he", *_SMALL), ("json", "csv", "png")),
    "train": (_TRAIN, ("json", "csv", "png")),
    "gain": (("gain", "relu"), ("json",)),
    "activations": (("activations", "relu"), ("png",)),
}
"""Each command with files, and the options that name them."""

_NEVER, _ALWAYS = frozenset({2}), frozenset({0})
_POSIX = os.name == "posix"


def _refused(suffix: str) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return names that are refused, and what lies there."""
    found: dict[str, tuple[str, Callable[[], object]]] = {
        "no name": ("", nothing),
        "the folder": (".", nothing),
        "the folder above": ("..", nothing),
        "a folder": (f"here{suffix}", Path(f"here{suffix}").mkdir),
        "a folder to be": (f"new{suffix}/", nothing),
        "in no folder": (f"missing/out{suffix}", nothing),
        "in a file": (f"file/out{suffix}", Path("file").touch),
        "too long": ("x" * 300 + suffix, nothing),
        "a path too long": ("x/" * 3000 + suffix, nothing),
        "a null": (f"out\0{suffix}", nothing),
        "the user's home": (f"~/out{suffix}", nothing),
    }
    if _POSIX:
        loop = f"loop{suffix}"
        found |= {
            "a loop of links to a folder": (f"{loop}/out{suffix}", partial(Path(loop).symlink_to, loop)),
            "a link to a folder": (loop, partial(Path(loop).symlink_to, "..")),
            "a link into no folder": (loop, partial(Path(loop).symlink_to, f"missing/out{suffix}")),
            "a pipe that nothing reads": (f"pipe{suffix}", partial(os.mkfifo, f"pipe{suffix}")),
            "a full disk": (f"full{suffix}", partial(Path(f"full{suffix}").symlink_to, "/dev/full")),
            "the root": ("/", nothing),
            "what the system shows of itself": (f"/proc/out{suffix}", nothing),
        }
    return found


_LATE = ("a pipe that nothing reads", "a full disk", "what the system shows of itself")
"""Names of which it shows only at the end that they cannot be written to."""


def _odd(suffix: str) -> dict[str, str]:
    """Return names that are odd, and those of files all the same."""
    return {
        "blanks": f"  {suffix}",
        "an option": f"--depth{suffix}",
        "no letters": f"\x1b[31m\u202e{suffix}",
        "lines": f"a\nb{suffix}",
        "no UTF-8": f"\udcff{suffix}",
        "as long as can be": "x" * (255 - len(suffix)) + suffix,
        "many suffixes": f"a.b.c{suffix}",
        "large letters": f"OUT{suffix.upper()}",
    }


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for command, (arguments, options) in WRITERS.items():
        for option in options:
            flag, suffix = f"--{option}", f".{option}"
            for what, (name, make) in _refused(suffix).items():
                said, slow = f"Error: {flag} ", option == "png" and what in _LATE and command != "activations"
                yield Case(f"{command} {flag}: {what}", (*arguments, flag, name), _NEVER, said, make, slow=slow)
            for what, name in _odd(suffix).items():
                slow = option == "png" and command != "activations"
                given = (*arguments, f"{flag}={name}")
                yield Case(f"{command} {flag}: {what}", given, _ALWAYS, asked=(name,), slow=slow)
    yield from _pictures()
    yield from _together()
    if _POSIX:
        yield from _devices()


def _pictures() -> Iterator[Case]:
    arguments = ("activations", "relu", "--png")
    for name in ("out", "out.", "out.jpg", "out.png.gz", ".png", "png", "out.png ", "-", "out.p\u0138g", "out.png\n"):
        yield Case("pictures of another kind", (*arguments, name), _NEVER, "Error: --png ")
    for name in ("out.svg", "out.pdf", "out.PNG", "out.SvG", "./out.png", "-.png", "..png"):
        slow = name not in ("out.svg", "out.pdf", "out.PNG")
        yield Case("pictures", (*arguments, name), _ALWAYS, asked=(name.removeprefix("./"),), slow=slow)
    yield Case("a picture of no activation", ("activations", "--png", "out.png"), _NEVER, "Error: --png ")


def _together() -> Iterator[Case]:
    arguments = ("propagate", *_SMALL)
    for one, other in (("out", "out"), ("out", "./out"), ("out", "x/../out"), ("out", "link"), ("-", "-")):
        given = ("--json", one, "--csv", other)
        yield Case("the same file twice", (*arguments, *given), _NEVER, "Error: --csv ", _folder_and_link)
    for names in (("/dev/stdout", "-"), ("-", "/dev/stdout"), ("/dev/fd/1", "/dev/stdout"), ("-", "/proc/self/fd/1")):
        given = ("--json", names[0], "--csv", names[1])
        yield Case("standard output twice", (*arguments, *given), _NEVER, "Error: --csv ")
    yield Case("a picture as JSON too", (*arguments, "--png", "out.png", "--json", "out.png"), _NEVER, "Error: --json ")
    many = ",".join(["relu", *(f"leaky_relu:0.{digit}" for digit in range(1, 30))])
    pages = ("compare", "--act", many, "--init", "he", *_SMALL, "--png", "out.png")
    yield Case("a page as CSV too", (*pages, "--csv", "out-2.png"), _NEVER, "Error: --csv ")
    yield Case("a page that is a folder", pages, _NEVER, "Error: --png ", Path("out-2.png").mkdir)
    for name in ("rules.toml", "./rules.toml", "link.toml", "hard.toml"):
        given = (*arguments, "--rules", "rules.toml", "--json", name)
        codes = _ALWAYS if name == "hard.toml" else _NEVER  # of two names of one file the other keeps its content
        yield Case("over what is read", given, codes, "Error: --json ", _rules, asked=(name,))
    old = partial(Path("old.json").write_text, "old")
    for flag, value in {"--csv": "missing/x", "--png": "x.jpg", "--layers": "9", "--fail-on": "x"}.items():
        given = (*arguments, "--json", "old.json", flag, value)
        yield Case("beside what is refused", given, _NEVER, f"Error: {flag} ", old)
    if _POSIX:
        given = (*arguments, "--json", "old.json", "--csv", "/dev/full")
        yield Case("beside what does not fit", given, _NEVER, "Error: --csv ", old)


def _devices() -> Iterator[Case]:
    for command, (arguments, options) in WRITERS.items():
        for flag in (f"--{option}" for option in options if option != "png"):
            yield Case(f"{command} to nothing", (*arguments, flag, "/dev/null"), _ALWAYS)
            yield Case(f"{command} on a full disk", (*arguments, flag, "/dev/full"), _NEVER, f"Error: {flag} ")
            yield Case(f"{command} to standard output", (*arguments, flag, "/dev/stdout"), _ALWAYS)
    both = ("propagate", *_SMALL, "--json", "/dev/null", "--csv", "/dev/null")
    yield Case("both to nothing", both, _ALWAYS)


def _folder_and_link() -> None:
    Path("x").mkdir()
    if _POSIX:
        Path("link").symlink_to("out")


def _rules() -> None:
    Path("rules.toml").write_text("[saturation]\nhigh = 0.4\n", encoding="utf-8")
    if _POSIX:
        Path("link.toml").symlink_to("rules.toml")
        Path("hard.toml").hardlink_to("rules.toml")
