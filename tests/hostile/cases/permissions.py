"""Files and folders that may not be read, searched or written to."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from contract import started
from hostile.case import READ_ANYTHING, SEARCH_ANYTHING, Case, give_up

_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_TRAIN = ("train", *_SMALL, "--iterations", "1", "--data")


def _files(mode: int, folder: int = 0o755) -> None:
    """Write one file of each kind into a folder, under modes of their own."""
    Path("here").mkdir()
    np.save("here/x.npy", np.ones((4, 3)))
    np.savez("here/d.npz", x_train=np.eye(8, 3), y_train=np.arange(8) % 2)
    Path("here/r.toml").write_text("[saturation]\nhigh = 0.4\n", encoding="utf-8")
    Path("here/own.py").write_text("def f(x): return x * x\n", encoding="utf-8")
    Path("here/train-images-idx3-ubyte").write_bytes(b"")
    Path("here/old.json").write_text("old", encoding="utf-8")
    for path in Path("here").iterdir():
        path.chmod(mode)
    Path("here").chmod(folder)


READ = {
    "--input": ("propagate", *_SMALL, "--input", "here/x.npy"),
    "--labels": ("grad-flow", *_SMALL, "--loss", "mse", "--labels", "here/x.npy"),
    "--data": (*_TRAIN, "here/d.npz"),
    "--rules": ("propagate", *_SMALL, "--rules", "here/r.toml"),
    "--act": ("propagate", *_SMALL, "--act", "here.own:f"),
    "--data of a folder": (*_TRAIN, "here"),
    "--data of a file": (*_TRAIN, "here/train-images-idx3-ubyte"),
}
"""Command lines that read, by the option that names the file."""

WRITTEN = ("new.json", "old.json")


def cases() -> Iterator[Case]:
    """Yield the cases."""
    if sys.platform != "linux":
        return
    start = partial(started, preexec_fn=partial(give_up, READ_ANYTHING, SEARCH_ANYTHING))
    for option, arguments in READ.items():
        said, slow = f"Error: {option.split()[0]} ", option in ("--labels", "--data of a file")
        yield Case(f"{option} of mode 0", arguments, said=said, make=partial(_files, 0), start=start, slow=slow)
        locked = partial(_files, 0o644, 0)
        yield Case(f"{option} in a folder of mode 0", arguments, said=said, make=locked, start=start, slow=slow)
    for name in WRITTEN:
        writing = ("propagate", *_SMALL, "--json", f"here/{name}")
        for mode in (0o555, 0o444, 0o111, 0):
            make, slow = partial(_files, 0o644, mode), mode not in (0o555, 0)
            yield Case(
                f"{name} in a folder of mode {mode:o}",
                writing,
                said="Error: --json ",
                make=make,
                start=start,
                slow=slow,
            )
    kept = ("propagate", *_SMALL, "--json", "here/old.json")
    yield Case("a file that is read-only", kept, said="Error: --json ", make=partial(_files, 0o444), start=start)
