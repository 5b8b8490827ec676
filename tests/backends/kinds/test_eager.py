from burnish.backends.backend import Availability
from burnish.backends.kinds.eager import PART


def test_nothing_to_measure_in_int8():
    assert PART.choices("fp32") == ({},)
    assert PART.choices("int8") == ()
    assert PART.available() == Availability(ok=True)
    assert PART.coverage(None, {}) is None
