import torch

from burnish.train.precision import choose_precision

CPU = torch.device("cpu")


def test_auto_follows_the_instruction_sets():
    fast = choose_precision("auto", CPU, isa=("avx2", "amx_bf16"))
    slow = choose_precision("auto", CPU, isa=("avx2", "avx512_bf16"))
    assert (fast.name, slow.name) == ("bf16", "fp32")
    assert "amx_bf16" in fast.reason and "amx_bf16" in slow.reason


def test_a_wish_is_obeyed():
    assert choose_precision("bf16", CPU, isa=()).name == "bf16"
    assert choose_precision("fp32", CPU, isa=("amx_bf16",)).name == "fp32"


def test_other_devices_stay_in_fp32():
    assert choose_precision("auto", torch.device("meta")).name == "fp32"


def test_autocast_lowers_matrix_products_only_when_chosen():
    a = torch.ones(2, 2)
    with choose_precision("bf16", CPU).autocast():
        assert (a @ a).dtype == torch.bfloat16
    with choose_precision("fp32", CPU).autocast():
        assert (a @ a).dtype == torch.float32
