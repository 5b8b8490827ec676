"""Public contract suites: what every registered part is held to, built-ins and plugins alike.

A plugin's own tests call `check_backend(MyBackend(), tmp_path)`, `check_pass(MyPass, {...}, variant,
context)` or `check_criterion(MyCriterion())`. A broken rule raises `AssertionError` with the rule in
words. `burnish.workloads.contract` holds the suite for workloads.
"""

from burnish.testing.backends import (
    TinyImages,
    TinySequences,
    check_backend,
    image_inputs,
    image_signature,
    sequence_inputs,
    sequence_signature,
)
from burnish.testing.criteria import check_criterion
from burnish.testing.passes import check_pass

__all__ = [
    "TinyImages",
    "TinySequences",
    "check_backend",
    "check_criterion",
    "check_pass",
    "image_inputs",
    "image_signature",
    "sequence_inputs",
    "sequence_signature",
]
