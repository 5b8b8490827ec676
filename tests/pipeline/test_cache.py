from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from burnish.core import files
from burnish.core.errors import ArtifactError, OutputError
from burnish.core.evidence import Change, Coverage, OpCoverage, Skip
from burnish.model.variant import predict
from burnish.passes.base import Outcome
from burnish.passes.distillation.recover import Recover
from burnish.passes.kinds.distill import Distill
from burnish.passes.kinds.fit import Fit
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.pipeline.cache import VariantCache, cache_root
from burnish.pipeline.keys import stage_key, start_key
from burnish.testing import TinyImages, image_inputs
from burnish.train.settings import FitSettings
from tests import tiny


@pytest.fixture
def outcome() -> Outcome:
    settings = {"ratio": 0.5, "criterion": "l1", "recover": {"epochs": 0}}
    found = Prune.parse(settings)(tiny.trained(), tiny.context())
    coverage = Coverage(ops=(OpCoverage(name="a", kind="conv", precision="int8", weight_bytes=3),))
    return replace(found, coverage=coverage)


def test_what_is_stored_comes_back_whole(tmp_path: Path, outcome: Outcome) -> None:
    cache = VariantCache(tmp_path)
    assert "key" not in cache
    cache.store("key", outcome, 1.5)
    assert "key" in cache
    back, seconds = cache.load("key", TinyImages)
    assert seconds == 1.5
    assert (back.changes, back.skipped, back.notes) == (outcome.changes, outcome.skipped, outcome.notes)
    assert back.coverage == outcome.coverage and back.variant.records == outcome.variant.records
    ours, theirs = (predict(o.variant.module, image_inputs(3))[0] for o in (outcome, back))
    assert torch.equal(ours, theirs)


def test_a_pass_that_was_stopped_while_storing_leaves_no_entry(
    tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    cache = VariantCache(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("burnish.pipeline.cache.write_text", stop)
        cache.store("key", outcome, 1.0)
    assert "key" not in cache
    assert list((tmp_path / "variants").iterdir()) == []


def test_a_process_killed_while_storing_leaves_no_entry(tmp_path: Path, outcome: Outcome) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nimport burnish.pipeline.cache as cache\n"
        "from tests import tiny\nfrom burnish.passes.base import Outcome\n"
        "from burnish.testing import TinyImages\nfrom burnish.model.variant import Variant\n"
        "cache.write_text = lambda *args: os.kill(os.getpid(), 9)\n"
        "outcome = Outcome(variant=Variant(module=TinyImages()), changes=())\n"
        "cache.VariantCache(Path(sys.argv[1])).store('key', outcome, 1)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=root)
    assert done.returncode == -signal.SIGKILL
    cache = VariantCache(tmp_path)
    assert "key" not in cache
    cache.store("key", outcome, 1.0)
    assert "key" in cache


@pytest.mark.parametrize("name", ["outcome.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", [b"", b"{"])
def test_a_damaged_entry_is_named(tmp_path: Path, outcome: Outcome, name: str, damage: bytes) -> None:
    cache = VariantCache(tmp_path)
    cache.store("key", outcome, 1.0)
    (tmp_path / "variants" / "key" / name).write_bytes(damage)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        cache.load("key", TinyImages)
    assert "variants/key" in caught.value.where


def test_a_full_disk_leaves_no_entry(tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(files.os, "fsync", full)
    cache = VariantCache(tmp_path)
    with pytest.raises(OutputError, match="the disk is full"):
        cache.store("key", outcome, 1.0)
    assert "key" not in cache
    assert list((tmp_path / "variants").iterdir()) == []


def test_checkpoints_go_when_the_pass_is_stored(tmp_path: Path) -> None:
    cache = VariantCache(tmp_path)
    cache.scratch("key").mkdir(parents=True)
    (cache.scratch("key") / "fit").write_text("half")
    done = Outcome(variant=tiny.trained(), changes=(Change(where="a", what="b"),), skipped=(Skip(where="c", why="d"),))
    cache.store("key", done, 1.0)
    assert not cache.scratch("key").exists()


def test_keys_change_with_whatever_the_result_depends_on() -> None:
    context = tiny.context()
    keys = [
        stage_key("parent", "fit", Fit(), context),
        stage_key("other", "fit", Fit(), context),
        stage_key("parent", "fit", Fit(epochs=2), context),
        stage_key("parent", "prune", Prune(ratio=0.5), context),
        stage_key("parent", "fit", Fit(), replace(context, seed=1)),
        stage_key("parent", "fit", Fit(), replace(context, fit=FitSettings())),
        stage_key("parent", "quantize", Quantize(), context),
        stage_key("parent", "quantize", Quantize(), replace(context, max_drop=0.02)),
        stage_key("parent", "prune", Prune(latency=0.5), context),
        stage_key("parent", "prune", Prune(latency=0.5), replace(context, measured_on="another machine")),
    ]
    assert len(set(keys)) == len(keys)
    assert stage_key("parent", "fit", Fit(), tiny.context()) == keys[0]
    moved = replace(context, measured_on="another machine")
    assert stage_key("parent", "fit", Fit(), moved) == keys[0], "what measures nothing is the same everywhere"


def test_keys_change_with_what_is_in_a_file_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.parquet"
    told = {"weighting": "column", "weights": str(file)}
    passes = (
        Fit(**told),
        Distill(**told),
        Prune(ratio=0.5, recover=Recover(**told)),
        Quantize(recover=Recover(**told)),
    )
    found = []
    for content in ("one", "other"):
        file.write_text(content)
        found.append([stage_key("parent", "pass", pass_, tiny.context()) for pass_ in passes])
    assert not set(found[0]) & set(found[1])


def test_the_first_key_changes_with_rows_and_weights_but_not_with_test_rows() -> None:
    work, module = tiny.workload(), tiny.trained().module
    keys = [
        start_key(work, module),
        start_key(work, module, "more"),
        start_key(tiny.workload(train=tiny.rows(160, 9)), module),
        start_key(tiny.workload(validation=tiny.rows(100, 9)), module),
        start_key(work, TinyImages()),
    ]
    assert len(set(keys)) == len(keys)
    assert start_key(tiny.workload(test=tiny.rows(100, 9)), module) == keys[0]


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("BURNISH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_root() == tmp_path / "x" / "burnish"
