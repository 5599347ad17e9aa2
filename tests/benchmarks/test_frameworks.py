"""The comparison with frameworks: with those that are installed, and that it finds what differs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actdiag.activations import resolve
from benchmarks import frameworks
from benchmarks.frameworks import FRAMEWORKS, Theirs

ROOT = Path(__file__).parents[2]


@pytest.mark.torch
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_that_a_framework_has_is_here_or_left_out_with_a_reason(framework):
    """JAX and Keras are no extras, so that CI does without them: `python -m benchmarks.frameworks`."""
    if framework == "torch":
        pytest.importorskip("torch")
    elif importlib.util.find_spec(framework) is None or importlib.util.find_spec("jax") is None:
        pytest.skip(f"{framework} is not installed")
    command = [sys.executable, "-m", "benchmarks.frameworks", framework]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{framework}: " in done.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_entry_that_is_named_is_there(framework):
    tables = (frameworks.SPELLED[framework].values(), (spec for *_, spec in frameworks.VARIANTS[framework]))
    for spec in (spec for table in tables for spec in table):
        name = spec.split(":")[0]
        assert frameworks.ACTIVATIONS.found(name) or frameworks.INITIALIZERS.found(name)


def drawn(spread):
    return np.random.default_rng(3).normal(0, spread, (300, 400))


@pytest.mark.parametrize(
    ("theirs", "found", "words"),
    [
        (Theirs("activation", "ReLU", "relu", lambda z: np.maximum(z, 0)), "same", "relu"),
        (Theirs("activation", "ReLU", "relu", lambda z: np.maximum(z, 1e-4)), "differs", "relu: 0.0001 apart"),
        (Theirs("activation", "GLU", "glu", lambda z: z), "differs", "glu: shape (64, 6), there (64, 12)"),
        (Theirs("activation", "relish", "relish", lambda z: z), "missing", "no relish"),
        (Theirs("activation", "Softmax2d", "softmax2d", lambda z: z), "left out", "over the channels of images"),
        (Theirs("initializer", "gpt2", "gpt2", lambda: drawn(0.02)), "same", "gpt2"),
        (Theirs("initializer", "gpt2", "gpt2", lambda: drawn(0.021)), "differs", "gpt2: variance 0.0004"),
        (Theirs("initializer", "ones_", "ones", lambda: np.zeros((300, 400))), "differs", "ones: other weights"),
        (Theirs("initializer", "uniform", "uniform:1", lambda: drawn(3**-0.5)), "differs", "another distribution"),
    ],
)
def test_what_differs_is_found(theirs, found, words):
    answer = frameworks.compared("torch", theirs)
    assert answer.found == found
    assert words in answer.words


def test_a_framework_that_is_not_known_or_not_there_is_refused(monkeypatch, capsys):
    for name, said in (("theano", "must be torch, jax or keras, got 'theano'"), ("jax", "jax does not import")):
        monkeypatch.setitem(sys.modules, "jax", None)
        with pytest.raises(SystemExit) as caught:
            frameworks.main([name])
        assert caught.value.code == 2
        assert said in capsys.readouterr().err


def test_the_sparsemax_of_keras_is_another():
    """Its rows do not add up to 1; those here do."""
    assert "sparsemax" in frameworks.LEFT_OUT["keras"]
    z = np.random.default_rng(0).normal(0, 3, (50, 12))
    np.testing.assert_allclose(resolve("sparsemax").value(z).sum(axis=1), 1, rtol=1e-12)
