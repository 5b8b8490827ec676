from _lib.loaders.race import bar


def test_the_best_peer_is_the_one_with_the_highest_median():
    found = bar("tabular", {"a": [1.0, 9.0, 2.0], "b": [3.0, 3.0, 3.0], "ours": [9.0, 12.0, 6.0]})
    assert (found.value, found.low, found.high) == (3.0, 2.0, 4.0)
    assert found.note == "best peer: b"
    assert found.holds
