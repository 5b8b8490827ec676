import platform
import resource

import pytest
import torch

from burnish.core.kept_memory import kept_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

_PAGES = 64 * 1024 * 1024 // 4096


def faults(times: int) -> int:
    """Pages that the kernel hands out while 64 MiB are taken, written and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(16 * 1024 * 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_memory_is_handed_out_once_and_given_back_at_the_end() -> None:
    usual = faults(10)
    assert usual > 5 * _PAGES
    for _ in range(2):
        with kept_memory():
            faults(30)
            assert faults(10) < usual / 2
        assert faults(10) > usual / 2


def test_an_inner_block_leaves_it_to_the_outer_one() -> None:
    usual = faults(10)
    with kept_memory():
        with kept_memory():
            faults(30)
        assert faults(10) < usual / 2
    assert faults(10) > usual / 2
