"""Ops: what networks are made of, one entry each.

>>> from actdiag import ops
>>> block = ops.residual([ops.dense(), ops.activation(), ops.dense()])
>>> arch = [ops.dense(100), ops.activation(), *3 * [block]]
"""

from actdiag.ops.activation import activation
from actdiag.ops.dense import dense
from actdiag.ops.entry import Op
from actdiag.ops.residual import residual

__all__ = ["Op", "activation", "dense", "residual"]
