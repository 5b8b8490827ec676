"""Random classification problems for property tests."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def problems(draw, min_classes=2, max_classes=7):
    """(scores [N, C] with ties, targets [N]) with every class present."""
    classes = draw(st.integers(min_classes, max_classes))
    n = draw(st.integers(classes, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    targets = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)]))
    scores = rng.integers(-3, 4, (n, classes)).astype(np.float32)
    return scores, targets
