import pytest

from burnish.backends.backend import Availability
from burnish.backends.installed import find_package, need
from burnish.backends.kinds.null import Null
from burnish.core.errors import MissingExtra


def test_a_missing_package_comes_with_its_command():
    found = find_package("json", "burnish_no_such_package")
    assert not found.ok
    assert "burnish_no_such_package" in found.reason
    assert found.help == "pip install burnish_no_such_package"


def test_need_raises_with_reason_and_command():
    class Absent(Null):
        def available(self):
            return Availability(ok=False, reason="not installed: x", help="pip install x")

    need(Null())
    with pytest.raises(MissingExtra, match="pip install x"):
        need(Absent())
