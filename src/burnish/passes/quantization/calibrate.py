"""What to do about the mean error that rounding makes, seen from what it does to the outputs.

NNCF estimates that error from the mean input of each channel alone and shifts biases by it. At the padded borders of a
convolution this is wrong, and in small feature maps there is little else: a ResNet-20 ended twice as far from its float
answers with the shift as without. Where there is BatchNorm its statistics can be measured anew with the rounding in
place, which corrects means and variances by what they are: a depthwise network came four times nearer to its float
answers. Elsewhere neither changes much. So all are tried (LOG.md, 2026-11-27).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from burnish.model.fake_quant import Scheme
from burnish.model.variant import predict
from burnish.passes.quantization import nodes
from burnish.train.norms import norms

_JUDGED = 100
"""Samples that the ways are compared on."""

Calibrate = Callable[[Sequence[str]], nn.Module]
"""Makes a copy with nodes everywhere but in the layers named."""


def calibrated(
    module: nn.Module, samples: Sequence[dict[str, Tensor]], scheme: Scheme, settle: Callable[[nn.Module], None]
) -> tuple[nn.Module, Calibrate, dict[str, float]]:
    """A copy with nodes everywhere, what makes one alike with fewer of them, and the errors of the outputs by way.

    `settle` measures the BatchNorm statistics of a module anew, in place. A scheme that says whether to correct biases
    is taken as it is, and the errors are empty. Raises `Unsupported`.
    """

    def make(keep_float: Sequence[str], *, corrected: bool = False, settled: bool = False) -> nn.Module:
        made = nodes.insert(module, samples, scheme.model_copy(update={"bias_correction": corrected}), keep_float)
        if settled:
            settle(made)
        return made

    ways: dict[str, Calibrate] = {"corrected": partial(make, corrected=True), "plain": make}
    if scheme.bias_correction is not None:
        told = ways["corrected" if scheme.bias_correction else "plain"]
        return told(()), told, {}
    found = {name: calibrate(()) for name, calibrate in ways.items()}
    if norms(module):
        ways["statistics"] = partial(make, settled=True)
        found["statistics"] = copy.deepcopy(found["plain"])
        settle(found["statistics"])
    errors = {name: output_error(made, module, samples[:_JUDGED]) for name, made in found.items()}
    best = min(errors, key=lambda name: errors[name])
    return found[best], ways[best], {name: round(error, 6) for name, error in errors.items()}


def output_error(rounded: nn.Module, original: nn.Module, samples: Sequence[Mapping[str, Tensor]]) -> float:
    """Mean square of the difference of all outputs over that of the original's."""
    noise = power = 0.0
    for sample in samples:
        for wanted, found in zip(predict(original, sample), predict(rounded, sample), strict=True):
            noise += float((found.double() - wanted.double()).square().sum())
            power += float(wanted.double().square().sum())
    return noise / max(power, 1e-30)
