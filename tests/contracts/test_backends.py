import pytest

from burnish.core.doors import BACKENDS
from burnish.testing import check_backend


@pytest.mark.parametrize("name", BACKENDS.names())
def test_contract(name, tmp_path):
    backend = BACKENDS.get(name)
    assert backend.name == name
    check_backend(backend, tmp_path)
