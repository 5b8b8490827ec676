from __future__ import annotations

from typing import Any

import pytest

from burnish.core.evidence import backend_label


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "some"),
        ({"quantize": "none", "freezing": False}, "some"),
        ({"quantize": "dynamic"}, "some dynamic"),
        ({"precision": "bf16", "freezing": True}, "some bf16 freezing"),
    ],
)
def test_a_backend_is_named_with_what_is_special_in_its_options(options: dict[str, Any], label: str) -> None:
    assert backend_label("some", options) == label
