import pytest
import torch

from burnish.workloads.resnet import ResNet


def count(depth):
    net = ResNet(channels=3, classes=10, widths=(16, 32, 64), blocks=(depth - 2) // 6)
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (56, 0.86)])
def test_sizes_of_the_paper(depth, millions):
    assert round(count(depth) / 1e6, 2) == millions


def test_halves_the_image_twice_and_once_more_on_demand():
    image = torch.zeros(2, 1, 28, 28)
    plain = ResNet(channels=1, classes=5, widths=(4, 8, 16), blocks=1).eval()
    early = ResNet(channels=1, classes=5, widths=(4, 8, 16), blocks=1, first_stride=2).eval()
    assert plain(image).shape == early(image).shape == (2, 5)
    assert plain.stages(plain.stem(image)).shape == (2, 16, 7, 7)
    assert early.stages(early.stem(image)).shape == (2, 16, 4, 4)


def test_exports_with_a_free_batch():
    net = ResNet(channels=1, classes=5, widths=(4, 8), blocks=1).eval()
    image = torch.randn(3, 1, 8, 8)
    shapes = {"image": {0: torch.export.Dim("batch")}}
    program = torch.export.export(net, (), {"image": image}, dynamic_shapes=shapes).module()
    assert torch.allclose(program(image=image[:1]), net(image[:1]), atol=1e-6)
