import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.order import mix_seed
from burnish.data.split import Split


def split(count, lengths=False):
    rng = np.random.default_rng(1)
    return Split(
        inputs={"x": np.arange(count, dtype=np.float32)[:, None]},
        targets=np.arange(count),
        lengths=rng.integers(1, 50, count) if lengths else None,
    )


@settings(max_examples=60)
@given(count=st.integers(1, 200), size=st.integers(2, 40), lengths=st.booleans(), epoch=st.integers(0, 3))
def test_an_epoch_has_every_row_once(count, size, lengths, epoch):
    rows = split(count, lengths)
    batches = rows.order(size, seed=0, epoch=epoch)
    assert len(batches) == rows.num_batches(size)
    seen = np.concatenate(batches)
    dropped = count % size == 1 and count > 1
    assert len(set(seen.tolist())) == len(seen) == count - dropped
    again = rows.order(size, seed=0, epoch=epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_batches_group_rows_of_similar_length():
    rows = split(256, lengths=True)
    grouped = np.mean([np.ptp(rows.lengths[batch]) for batch in rows.order(16, seed=0, epoch=0)])
    plain = np.mean([np.ptp(rows.lengths[batch]) for batch in split(256).order(16, seed=0, epoch=0)])
    assert grouped < plain / 4


def test_in_order_and_take():
    rows = split(7)
    assert torch.cat([batch.targets for batch in rows.in_order(3)]).tolist() == list(range(7))
    assert rows.take(np.array([4, 2])).targets.tolist() == [4, 2]
    assert rows.take(np.array([4, 2])).inputs["x"][:, 0].tolist() == [4, 2]


def test_augment_sees_training_rows_only():
    rows = Split(
        inputs={"x": np.zeros((4, 1), np.float32)},
        targets=np.zeros(4),
        augment=lambda inputs, generator: {"x": inputs["x"] + torch.rand(1, generator=generator)},
        prepare=lambda inputs: {"y": inputs["x"] * 2},
    )
    first = [batch.inputs["y"] for batch in rows.shuffled(2, seed=0, epoch=0)]
    again = [batch.inputs["y"] for batch in rows.shuffled(2, seed=0, epoch=0)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert all(batch.inputs["y"].sum() == 0 for batch in rows.in_order(2))


def test_fingerprint_follows_every_byte():
    one, two = split(5), split(5)
    assert one.fingerprint() == two.fingerprint()
    two.targets[3] += 1
    assert one.fingerprint() != two.fingerprint()


def test_seeds_are_apart():
    seeds = {mix_seed(s, e, i) for s in range(5) for e in range(5) for i in range(-2, 5)}
    assert len(seeds) == 175
    assert all(0 <= seed < 2**63 for seed in seeds)
