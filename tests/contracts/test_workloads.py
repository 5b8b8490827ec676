import pytest

from burnish.core.doors import WORKLOADS
from burnish.core.errors import MissingData, MissingExtra
from burnish.workloads.contract import check_workload
from burnish.workloads.registry import get

QUICK = {"digits"}


def cases():
    return [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in WORKLOADS.names()]


@pytest.mark.parametrize("name", cases())
def test_every_workload_keeps_its_contract(name):
    try:
        workload, again = get(name), get(name)
        workload.build()
    except (MissingData, MissingExtra) as missing:
        pytest.skip(str(missing))
    check_workload(workload, again=again)


@pytest.mark.parametrize("name", WORKLOADS.names())
def test_every_workload_describes_itself(name):
    assert len(WORKLOADS.describe(name)) > 20
