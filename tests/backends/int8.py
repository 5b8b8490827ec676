"""A fake-quantized convnet and sequence model, for the backends that turn them into int8."""

import gc
import warnings

import torch

from burnish.core.signature import Signature
from burnish.model import fake_quant
from burnish.model.variant import Program, predict
from burnish.testing import (
    TinyImages,
    TinySequences,
    image_inputs,
    image_signature,
    sequence_inputs,
    sequence_signature,
)


def images() -> Program:
    """`TinyImages` with trained-looking batch norm, rounded to int8."""
    torch.manual_seed(0)
    module = TinyImages().eval()
    norm = module.features[1]
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-1.5, 1.5, 8))
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    return _program(module, image_signature(), [image_inputs(4, seed) for seed in range(8)], attention=False)


def sequences() -> Program:
    """`TinySequences`, rounded to int8."""
    torch.manual_seed(0)
    samples = [sequence_inputs(4, 9, seed) for seed in range(8)]
    return _program(TinySequences().eval(), sequence_signature(), samples, attention=True)


class _Separable(torch.nn.Module):
    """Two separable convolutions with ReLU6, the second one behind a Pad of its own."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 16, 1),
            nn.ReLU6(),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(16, 16, 3, stride=2, groups=16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body(image)
        return scores


def separable() -> Program:
    """Depthwise convolutions, whose inputs NNCF rounds channel by channel, rounded to int8."""
    torch.manual_seed(0)
    return _program(
        _Separable().eval(), image_signature(), [image_inputs(4, seed) for seed in range(8)], attention=False
    )


def _program(
    module: torch.nn.Module, signature: Signature, samples: list[dict[str, torch.Tensor]], *, attention: bool
) -> Program:
    scheme = fake_quant.Scheme(smooth=False, bias_correction=False)
    with warnings.catch_warnings():
        # at its first call NNCF loads an extension in a thread pool that it never closes
        warnings.simplefilter("ignore", ResourceWarning)
        rounded = fake_quant.insert(module, samples, scheme, attention=attention)
        predict(rounded, samples[0])
        gc.collect()
    return Program(signature=signature, examples=samples[0], module=rounded, precision="int8")
