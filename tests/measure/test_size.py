import torch
from torch import nn

from burnish.measure.size import folder_bytes, macs, parameters, weights_bytes


class Call(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        out = self.inner(x)
        return out[0] if isinstance(out, tuple) else out


def test_shared_parameters_count_once():
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    assert parameters(module) == 16
    assert weights_bytes(module) == 64
    assert weights_bytes(nn.BatchNorm1d(2)) == 4 * 8 + 8


def test_macs_of_known_layers():
    assert macs(Call(nn.Linear(8, 3)), {"x": torch.zeros(5, 8)}) == 5 * 8 * 3
    assert macs(Call(nn.Conv2d(4, 6, 3, padding=1)), {"x": torch.zeros(2, 4, 7, 7)}) == 2 * 49 * 4 * 6 * 9
    assert macs(Call(nn.Conv2d(4, 4, 3, padding=1, groups=4)), {"x": torch.zeros(1, 4, 7, 7)}) == 49 * 4 * 9
    assert macs(Call(nn.LSTM(8, 16)), {"x": torch.zeros(3, 1, 8)}) == 3 * (8 + 16) * 4 * 16


def test_macs_of_attention():
    class Attend(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    assert macs(Attend(), {"x": torch.zeros(1, 2, 5, 8)}) == 2 * (2 * 5 * 5 * 8)


def test_folder_bytes_counts_below(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "sub" / "b").write_bytes(b"4567")
    assert folder_bytes(tmp_path) == 7
