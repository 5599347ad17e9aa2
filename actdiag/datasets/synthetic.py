"""Rows and labels by a random teacher: a task that needs no file, that a network learns and a linear model does not."""

from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles, check_memory
from actdiag.datasets.entry import SOURCES, Source
from actdiag.datasets.parts import Part, Raw, data_bytes
from actdiag.errors import check_integer
from actdiag.streams import Stream, stream

MOST_ROWS = 1_000_000
MOST_FEATURES = 10_000
MOST_TEACHER_CLASSES = 100

# Chosen so that five layers of 100 ReLUs under He's initializer, with SGD at 0.1 in batches of 128, come to a loss of
# about 0.3 in 250 iterations and get nine test rows of ten right, where a linear model gets five or six.
_LATENT, _HIDDEN = 6, 32
_PHASE_STD = 0.6  # at 0 every score would be even, and a linear model would learn nothing at all
_NOISE = 0.3
_SURE = 0.3

_TRIED = 4096
_ROUNDS, _STEP = 50, 0.2


@SOURCES.register()
def synthetic(rows: int = 12_500, features: int = 64, classes: int = 10) -> Source:
    """Rows of noisy mixtures of 6 latent normal numbers, labelled by a smooth random network of the latent ones.

    The teacher has one layer of 32 cosines, and biases that make its classes about equally common; of a hundred, some
    may hardly occur. Latent points of which it is not sure, seven of ten, are left out, so that the classes stand
    apart. Of a feature's variance, about 1, 9 % is noise of its own. All follows from the seed, and the teacher does
    not depend on the number of rows.

    Args:
        rows: How many, to train on and to test on.
        features: How many; under 6, as many latent numbers.
        classes: How many.
    """
    check_integer("rows", rows, 5, MOST_ROWS)
    check_integer("features", features, 1, MOST_FEATURES)
    check_integer("classes", classes, 2, MOST_TEACHER_CLASSES)
    check_memory("data", data_bytes(rows * features), "its rows need", f"synthetic:rows={rows}:features={features}")
    return Source("synthetic", lambda seed: _draw(_teacher(seed, features, classes), seed, rows))


class _Teacher(NamedTuple):
    """What labels a latent point h: the largest of cos(h weights + phases) readout + biases.

    Attributes:
        mixing: From latent numbers to features, columns of norm 1.
        weights: From latent numbers to cosines.
        phases: Of the cosines.
        readout: From cosines to scores.
        biases: Of the scores.
        lead: By how much the largest score must lead for a row to be kept.
    """

    mixing: Doubles
    weights: Doubles
    phases: Doubles
    readout: Doubles
    biases: Doubles
    lead: float

    def scores(self, latent: Doubles) -> Doubles:
        return _product(np.cos(_product(latent, self.weights) + self.phases), self.readout) + self.biases


def _teacher(seed: int, features: int, classes: int) -> _Teacher:
    rng, latent = stream(seed, Stream.TEACHER), min(_LATENT, features)
    mixing = rng.standard_normal((latent, features))
    teacher = _Teacher(
        mixing=mixing / np.sqrt(np.square(mixing).sum(axis=0)),
        weights=rng.standard_normal((latent, _HIDDEN)) / latent**0.5,
        phases=_PHASE_STD * rng.standard_normal(_HIDDEN),
        readout=rng.standard_normal((_HIDDEN, classes)) / _HIDDEN**0.5,
        biases=np.zeros(classes),
        lead=0.0,
    )
    scores = teacher.scores(rng.standard_normal((_TRIED, latent)))
    biases, spread = -scores.mean(axis=0), scores.std()
    for _ in range(_ROUNDS):
        leads = _leads(scores + biases)
        sure = scores[leads > _least(leads)] + biases
        common = np.bincount(sure.argmax(axis=1), minlength=classes) / len(sure)
        biases -= _STEP * spread * (classes * common - 1)
    return teacher._replace(biases=biases, lead=_least(_leads(scores + biases)))


def _product(a: Doubles, b: Doubles) -> Doubles:
    """Return a @ b, the same bits for any number of BLAS's threads, which win nothing on matrices as small as these."""
    product: Doubles = np.einsum("ij,jk->ik", a, b)
    return product


def _leads(scores: Doubles) -> Doubles:
    """Return how far the largest score of each row is above the next."""
    top: Doubles = np.partition(scores, -2, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def _least(leads: Doubles) -> float:
    """Return the lead that three rows of ten exceed."""
    return float(np.quantile(leads, 1 - _SURE))


def _draw(teacher: _Teacher, seed: int, rows: int) -> Raw:
    latent, features = teacher.mixing.shape
    inputs, labels = np.empty((rows, features), dtype=np.float32), np.empty(rows, dtype=np.int64)
    filled = part = 0
    while filled < rows:
        part += 1
        rng = stream(seed, Stream.TEACHER, part)
        points = rng.standard_normal((_TRIED, latent))
        scores = teacher.scores(points)
        sure = np.flatnonzero(_leads(scores) > teacher.lead)[: rows - filled]
        drawn = slice(filled, filled + len(sure))
        noise = rng.standard_normal((len(sure), features))
        inputs[drawn] = (1 - _NOISE**2) ** 0.5 * _product(points[sure], teacher.mixing) + _NOISE * noise
        labels[drawn] = scores[sure].argmax(axis=1)
        filled = drawn.stop
    return Raw(Part(inputs, labels, ("the rows of synthetic", "the labels of synthetic")), classes=len(teacher.biases))
