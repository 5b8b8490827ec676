import numpy as np
import torch
from torch import nn

from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.model import weights
from burnish.train.checkpoint import EpochRecord, Saved, load_checkpoint, pack_checkpoint, run_key
from burnish.train.settings import FitSettings


def saved(best_epoch):
    return Saved(
        module={"w": torch.ones(3)},
        optimizer={"0.step": torch.tensor(4.0)},
        average={},
        scaler={"scale": 8.0},
        skipped=2,
        weighting={},
        best={"w": torch.ones(3) if best_epoch == 1 else torch.zeros(3)},
        best_epoch=best_epoch,
        history=(EpochRecord(epoch=0, loss=1 / 3, score=0.1), EpochRecord(epoch=1, loss=0.2, score=0.3)),
        seconds=1.5,
    )


def test_comes_back_as_it_was(tmp_path):
    for best_epoch in (0, 1):
        path = tmp_path / f"{best_epoch}.safetensors"
        weights.save_packed(path, pack_checkpoint("key", saved(best_epoch)))
        back = load_checkpoint(path, "key", Silent())
        assert back.history == saved(best_epoch).history
        assert (back.best_epoch, back.seconds) == (best_epoch, 1.5)
        assert (back.scaler, back.skipped) == ({"scale": 8.0}, 2)
        assert torch.equal(back.best["w"], saved(best_epoch).best["w"])
        assert torch.equal(back.optimizer["0.step"], torch.tensor(4.0))
        assert back.best["w"].data_ptr() != back.module["w"].data_ptr()


class Lines(Silent):
    """Remembers what was said."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_another_key_a_missing_and_a_broken_file_are_none_and_the_user_is_told(tmp_path):
    path, lines = tmp_path / "fit.safetensors", Lines()
    assert load_checkpoint(path, "key", lines) is None
    assert not lines.said
    weights.save_packed(path, pack_checkpoint("key", saved(0)))
    assert load_checkpoint(path, "other", lines) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert load_checkpoint(path, "key", lines) is None
    other, damaged = lines.said
    assert other == "fit.safetensors is of a run with other settings, data or weights: training starts anew"
    assert damaged.startswith("fit.safetensors cannot be read (") and damaged.endswith("): training starts anew")


def test_the_key_follows_everything_that_matters():
    def split(first):
        return Split(inputs={"x": np.array([first, 2.0])}, targets=np.array([0, 1]))

    torch.manual_seed(0)
    module = nn.Linear(1, 1)
    base = run_key(module, split(1.0), FitSettings(), 0, "cpu")
    assert base == run_key(module, split(1.0), FitSettings(), 0, "cpu")
    others = {
        run_key(module, split(1.5), FitSettings(), 0, "cpu"),
        run_key(module, split(1.0), FitSettings(epochs=9), 0, "cpu"),
        run_key(module, split(1.0), FitSettings(), 1, "cpu"),
        run_key(module, split(1.0), FitSettings(), 0, "cuda"),
        run_key(nn.Linear(1, 1), split(1.0), FitSettings(), 0, "cpu"),
    }
    assert len(others | {base}) == 6
