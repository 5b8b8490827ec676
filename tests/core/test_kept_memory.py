import json
import platform
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

_BLOCK = 64 << 20

_SCRIPT = f"""
import json, resource
from pathlib import Path
from burnish.core.kept_memory import kept_memory

def use():
    for _ in range(3):
        b"x" * {_BLOCK}

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

seen = []
def tell():
    use()
    seen.append(resident())

"""


def resident_after(steps: str) -> list[int]:
    """Resident bytes at each `tell()`, which takes, writes and frees 64 MiB; in a process of its own, since holes in
    a heap that others have used may be kept or not."""
    script = _SCRIPT + textwrap.dedent(steps) + "\nprint(json.dumps(seen))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    first, *rest = json.loads(done.stdout)
    return [each - first for each in rest]


def test_memory_is_kept_inside_and_given_back_at_the_end() -> None:
    inside, outside, again, at_the_end = resident_after("""
        tell()
        for _ in range(2):
            with kept_memory():
                tell()
            tell()
    """)
    assert inside > 0.9 * _BLOCK
    assert again > 0.9 * _BLOCK
    assert outside < 0.1 * _BLOCK
    assert at_the_end < 0.1 * _BLOCK


def test_an_inner_block_leaves_it_to_the_outer_one() -> None:
    between, outside = resident_after("""
        tell()
        with kept_memory():
            with kept_memory():
                pass
            tell()
        tell()
    """)
    assert between > 0.9 * _BLOCK
    assert outside < 0.1 * _BLOCK
