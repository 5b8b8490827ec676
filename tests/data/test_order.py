import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.order import IN_MEMORY, Windowed, batches, feistel, num_batches, of_rank
from burnish.data.split import Split


@settings(max_examples=150, deadline=None)
@given(count=st.integers(1, 3000), key=st.integers(0, 2**62))
def test_the_network_is_a_permutation_at_any_size(count, key):
    whole = feistel(np.arange(count), count, key)
    assert sorted(whole.tolist()) == list(range(count))
    assert feistel(np.array([count - 1]), count, key)[0] == whole[-1]


def test_the_network_needs_no_memory_and_its_places_look_random():
    count = 10**15
    drawn = feistel(np.arange(100_000), count, 7)
    assert len(set(drawn.tolist())) == 100_000
    assert abs(drawn.mean() / count - 0.5) < 0.01
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
    assert not np.array_equal(drawn, feistel(np.arange(100_000), count, 8))


def windowed(count, size, *, seed=0, epoch=0, lengths=None, stretch=8, windows=4):
    return Windowed(count, size, seed=seed, epoch=epoch, lengths=lengths, stretch=stretch, window=stretch * windows)


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(1, 700),
    size=st.integers(2, 90),
    epoch=st.integers(0, 3),
    stretch=st.integers(3, 20),
    windows=st.integers(2, 6),
    lengths=st.booleans(),
)
def test_a_large_epoch_has_every_row_once(count, size, epoch, stretch, windows, lengths):
    long = np.random.default_rng(0).integers(0, 50, count) if lengths else None
    order = windowed(count, size, epoch=epoch, lengths=long, stretch=stretch, windows=windows)
    seen = np.concatenate(list(order))
    dropped = count % size == 1 and count > 1
    assert len(order) == num_batches(count, size)
    assert len(set(seen.tolist())) == len(seen) == count - dropped
    assert np.array_equal(order[len(order) - 1], order[-1])


def test_large_epochs_differ_and_mix_the_whole_table():
    one, two = (np.concatenate(list(windowed(4096, 64, epoch=epoch, stretch=16, windows=16))) for epoch in (0, 1))
    assert not np.array_equal(one, two)
    assert abs(np.corrcoef(one, np.arange(4096))[0, 1]) < 0.3
    assert max(len(np.unique(one[i : i + 64] // 16)) for i in range(0, 4096, 64)) > 12


def test_a_large_table_is_read_in_windows():
    """Rows at the places of one window come from as many stretches of the table as it has, two more for its ends."""
    order = windowed(10_000, 32, stretch=16, windows=16)
    rows = order.rows(256, 512)
    assert len(np.unique(rows // 16)) <= 2 * 16 + 1


def test_lengths_of_large_tables_are_grouped():
    lengths = np.random.default_rng(1).integers(1, 50, 4096)
    order = windowed(4096, 16, lengths=lengths, stretch=16, windows=16)
    assert np.mean([np.ptp(lengths[rows]) for rows in order]) < 10


def test_a_table_beyond_memory_gives_its_first_batch_at_once():
    order = batches(10**11, 256, seed=1, epoch=0)
    assert len(order) == num_batches(10**11, 256)
    assert len(np.unique(order[123_456_789])) == 256
    assert isinstance(order, Windowed)
    assert isinstance(batches(1000, 256, seed=1, epoch=0), list)
    assert IN_MEMORY == 4 << 20


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(1, 300),
    size=st.integers(2, 40),
    large=st.booleans(),
    legs=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 7)), min_size=1, max_size=5),
)
def test_any_ranks_after_any_interruption_see_every_row_once(count, size, large, legs):
    """Each leg: so many steps with so many ranks, then a kill; the last leg runs to the end."""

    def order():
        return windowed(count, size) if large else batches(count, size, seed=0, epoch=0)

    done, seen = 0, []
    for steps, world in [*legs, (count, 3)]:
        mine = order()
        for index in range(done, min(done + steps, len(mine))):
            seen += [row for rank in range(world) for row in of_rank(mine[index], rank, world).tolist()]
        done = min(done + steps, len(mine))
    assert seen == np.concatenate(list(order())).tolist()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 80), size=st.integers(2, 20), world=st.integers(1, 6), first=st.integers(0, 5))
def test_ranks_share_each_global_batch(count, size, world, first):
    split = Split(inputs={"x": np.arange(count, dtype=np.float32)[:, None]}, targets=np.arange(count))
    ranks = [list(split.shuffled(size, seed=3, epoch=1, first=first, rank=r, world=world)) for r in range(world)]
    order = split.order(size, seed=3, epoch=1)[first:]
    assert all(len(batches) == len(order) for batches in ranks)
    for index, rows in enumerate(order):
        parts = [batches[index] for batches in ranks]
        assert np.concatenate([part.rows.numpy() for part in parts if part.share]).tolist() == rows.tolist()
        assert abs(sum(part.share for part in parts) - 1) < 1e-9
        assert all(len(part.rows) >= min(2, len(rows)) for part in parts)
        mean = sum(part.share * float(part.inputs["x"].mean()) for part in parts)
        assert abs(mean - rows.mean()) < 1e-3
