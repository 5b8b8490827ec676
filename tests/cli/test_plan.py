"""What a training needs, told before there is one."""

import json
from pathlib import Path
from typing import Any

import pytest

from burnish.cli.plan import parse_bytes, plan
from burnish.core.errors import RecipeError


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def planned(target: object, capsys: pytest.CaptureFixture[str], **changes: Any) -> Any:
    options = {"devices": 4, "memory": "24GiB", "optimizer": None, "batch_size": None, "length": 2048, "data": None}
    plan(str(target), **(options | changes))
    return told(capsys)


def test_a_small_workload_fits_everywhere_so_nothing_is_divided(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned("digits", capsys)
    assert found["chosen"] == "ddp"
    assert [row["strategy"] for row in found["plans"]] == ["ddp", "zero1", "zero2", "zero3"]
    totals = [row["total"] for row in found["plans"]]
    assert totals[0] > totals[1] > totals[2]


def test_ten_billion_parameters_are_planned_without_having_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights, gradients and AdamW's two moments in fp32 are 16 bytes a parameter: 161 GB."""
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 5120, "intermediate_size": 13824,
        "num_hidden_layers": 30, "num_attention_heads": 40, "num_key_value_heads": 40, "vocab_size": 32000,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = planned(tmp_path, capsys, devices=8, memory="80GB", batch_size=8, length=512)
    count = found["parameters"]
    assert 9.5e9 < count < 10.5e9
    state = {row["strategy"]: row["state"] for row in found["plans"]}
    whole = sum(state["ddp"][part] for part in ("parameters", "gradients", "optimizer"))
    divided = sum(state["zero3"][part] for part in ("parameters", "gradients", "optimizer"))
    assert whole == pytest.approx(16 * count, rel=0.01)
    assert divided == pytest.approx(2 * count, rel=0.01)
    assert found["chosen"] == "zero2"
    assert planned(tmp_path, capsys, devices=8, memory="40GB", batch_size=8, length=512)["chosen"] == "zero3"


@pytest.mark.parametrize(("text", "size"), [("24GiB", 24 * 2**30), ("1.5 GB", 1.5e9)])
def test_memory_is_read(text: str, size: float) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["24", "1.2.3GiB", "GiB", "-4GB", "24 gigs"])
def test_what_is_no_amount_of_memory_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match="no amount of memory") as caught:
        parse_bytes(text)
    assert "24GiB" in str(caught.value.help)
