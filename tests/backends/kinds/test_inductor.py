import pytest

from burnish.backends.kinds.inductor import PART
from burnish.core.errors import MissingExtra
from burnish.testing import image_signature


def test_needs_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert not PART.available().ok
    with pytest.raises(MissingExtra, match="compiler"):
        PART.load(tmp_path, {}, signature=image_signature(), threads=1)


def test_choices():
    assert PART.choices("fp32") == ({}, {"freezing": True})
    assert PART.choices("int8") == ()
