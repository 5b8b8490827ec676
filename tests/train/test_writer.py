import os
import signal
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from burnish.core import files
from burnish.core.errors import OutputError
from burnish.core.progress import Silent
from burnish.model import weights
from burnish.train.checkpoint import EpochRecord, Saved, load_checkpoint, pack_checkpoint
from burnish.train.writer import Writer


def saved(module: nn.Module, epoch: int = 0) -> Saved:
    return Saved(
        module=weights.state(module),
        optimizer={"0.step": torch.tensor(float(epoch))},
        average={},
        scaler={},
        skipped=0,
        weighting={},
        best=None,
        best_epoch=None,
        history=(EpochRecord(epoch=epoch, loss=0.5),),
        seconds=2.0,
    )


def tied() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    return module


class Gate:
    """Holds every write back until it is opened."""

    def __init__(self, monkeypatch):
        self.open, self.inside, self.most = threading.Event(), 0, 0
        write = files.write_bytes

        def held(path, data):
            self.inside += 1
            self.most = max(self.most, self.inside)
            assert self.open.wait(20)
            write(path, data)
            self.inside -= 1

        monkeypatch.setattr(weights, "write_bytes", held)


def test_the_file_is_that_of_the_step_and_of_a_plain_write(tmp_path, monkeypatch):
    module = tied()
    weights.save_packed(tmp_path / "plain", pack_checkpoint("key", saved(module)))
    gate = Gate(monkeypatch)
    with Writer(tmp_path / "later") as writer:
        writer.write("key", saved(module))
        with torch.no_grad():
            module[0].weight.add_(1.0)
        assert not (tmp_path / "later").exists()
        gate.open.set()
    plain, later = (weights.load_tensors(tmp_path / name) for name in ("plain", "later"))
    assert plain.keys() == later.keys()
    assert all(torch.equal(tensor, later[name]) for name, tensor in plain.items())
    assert weights.load_metadata(tmp_path / "plain") == weights.load_metadata(tmp_path / "later")
    assert later["module/1.weight"].data_ptr() == later["module/0.weight"].data_ptr()


def test_one_write_at_a_time_and_the_last_one_stays(tmp_path, monkeypatch):
    gate = Gate(monkeypatch)
    gate.open.set()
    with Writer(tmp_path / "file") as writer:
        for epoch in range(5):
            writer.write("key", saved(tied(), epoch))
    assert gate.most == 1
    assert load_checkpoint(tmp_path / "file", "key", Silent()).history[0].epoch == 4
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_is_raised_at_the_next_one_or_at_the_end(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "fit"
    with pytest.raises(OutputError, match="in the way"), Writer(path) as writer:
        writer.write("key", saved(tied()))
        with pytest.raises(OutputError, match="in the way"):
            writer.write("key", saved(tied()))
        writer.write("key", saved(tied()))


def test_a_failed_block_keeps_its_own_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KeyError), Writer(tmp_path / "file" / "fit") as writer:
        writer.write("key", saved(tied()))
        raise KeyError


KILLED = """
import os, signal, sys, time
from pathlib import Path
import torch
from burnish.core import files
from burnish.train.writer import Writer
from tests.train.test_writer import saved, tied

def stuck(stream):  # half a file is on the disk
    print("writing", flush=True)
    time.sleep(60)

path = Path(sys.argv[1])
with Writer(path) as writer:
    writer.write("key", saved(tied(), 1))
with Writer(path) as writer:
    os.fsync = stuck
    writer.write("key", saved(tied(), 2))
"""


def test_killed_while_writing_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "fit"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal.SIGKILL)
    assert load_checkpoint(path, "key", Silent()).history[0].epoch == 1
