import pytest
import torch

from burnish.train.precision import choose_precision

CPU = torch.device("cpu")
FAST = ("avx2", "avx512_bf16")


def trial(fp32, bf16):
    return lambda names: {"fp32": fp32, "bf16": bf16}


def never(names):
    raise AssertionError("nothing to try")


def test_auto_takes_the_lower_format_only_where_it_was_faster():
    faster = choose_precision("auto", CPU, trial([3.0, 3.3, 2.8], [2.0, 2.0, 2.0]), isa=FAST)
    slower = choose_precision("auto", CPU, trial([1.0, 1.0, 1.0], [1.2, 0.9, 1.2]), isa=FAST)
    level = choose_precision("auto", CPU, trial([1.02, 1.02, 1.02], [1.0, 1.0, 1.0]), isa=FAST)
    assert (faster.name, slower.name, level.name) == ("bf16", "fp32", "fp32")
    assert faster.reason == "bf16: a step in bf16 is 1.50x [1.40, 1.65] as fast as in fp32"
    assert slower.reason == "fp32: a step in bf16 is 0.83x [0.83, 1.11] as fast as in fp32"


def test_what_is_divided_is_not_tried_whole_and_fp16_is_not_for_several_ranks(monkeypatch):
    divided = choose_precision("auto", CPU, never, world=4, divided=True, isa=FAST)
    assert (divided.name, divided.reason) == ("bf16", "bf16: the model is divided among the ranks")
    assert choose_precision("auto", CPU, never, world=4, divided=True, isa=()).name == "fp32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    gpu = torch.device("cuda")
    assert choose_precision("auto", gpu, lambda names: {"fp32": [2.0], "fp16": [1.0]}).name == "fp16"
    several = choose_precision("auto", gpu, never, world=2)
    assert (several.name, "several ranks" in several.reason) == ("fp32", True)


def test_nothing_is_tried_that_the_processor_does_not_multiply():
    chosen = choose_precision("auto", CPU, never, isa=("avx2", "avx512f"))
    assert chosen.name == "fp32"
    assert "avx512_bf16" in chosen.reason


def test_a_short_run_stays_in_fp32():
    chosen = choose_precision("auto", CPU, None, isa=FAST)
    assert (chosen.name, chosen.reason) == ("fp32", "fp32: too few steps to try bf16")


def test_a_module_with_fake_quantize_nodes_is_trained_in_fp32():
    chosen = choose_precision("auto", CPU, never, rounded=True, isa=FAST)
    assert chosen.name == "fp32" and "bf16 rounds" in chosen.reason
    assert choose_precision("bf16", CPU, never, rounded=True, isa=FAST).name == "bf16"


def test_a_wish_is_obeyed():
    assert choose_precision("bf16", CPU, never, isa=()).name == "bf16"
    assert choose_precision("fp32", CPU, never, isa=FAST).name == "fp32"


def test_other_devices_stay_in_fp32():
    assert choose_precision("auto", torch.device("meta"), never).name == "fp32"


@pytest.mark.parametrize(
    ("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)]
)
def test_autocast_lowers_matrix_products_only_when_chosen(name, dtype):
    a = torch.ones(2, 2)
    with choose_precision(name, CPU).autocast():
        assert (a @ a).dtype == dtype


def test_only_fp16_scales_its_losses():
    assert choose_precision("fp16", CPU).scaler().is_enabled()
    assert not choose_precision("bf16", CPU).scaler().is_enabled()
