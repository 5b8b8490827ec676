"""Whether to shift biases by the mean error that rounding makes, seen from what it does to the outputs.

NNCF estimates that error from the mean input of each channel alone. At the padded borders of a convolution this is
wrong, and in small feature maps there is little else: a ResNet-20 ended twice as far from its float answers with the
shift as without (LOG.md, 2026-11-27). Elsewhere it changes little or helps. So both are tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from burnish.model.fake_quant import Scheme
from burnish.model.variant import predict
from burnish.passes.quantization import nodes

_JUDGED = 100
"""Samples that the two are compared on."""


def calibrated(
    module: nn.Module, samples: Sequence[dict[str, Tensor]], scheme: Scheme
) -> tuple[nn.Module, Scheme, dict[str, float]]:
    """A copy with nodes, the scheme with the bias correction decided, and the errors of the outputs that were seen.

    A scheme that says whether to correct is taken as it is, and the errors are empty. Raises `Unsupported`.
    """
    if scheme.bias_correction is not None:
        return nodes.insert(module, samples, scheme, ()), scheme, {}
    schemes = {
        name: scheme.model_copy(update={"bias_correction": name == "corrected"}) for name in ("corrected", "plain")
    }
    found = {name: nodes.insert(module, samples, own, ()) for name, own in schemes.items()}
    errors = {name: output_error(rounded, module, samples[:_JUDGED]) for name, rounded in found.items()}
    best = min(errors, key=lambda name: errors[name])
    return found[best], schemes[best], {name: round(error, 6) for name, error in errors.items()}


def output_error(rounded: nn.Module, original: nn.Module, samples: Sequence[Mapping[str, Tensor]]) -> float:
    """Mean square of the difference of all outputs over that of the original's."""
    noise = power = 0.0
    for sample in samples:
        for wanted, found in zip(predict(original, sample), predict(rounded, sample), strict=True):
            noise += float((found.double() - wanted.double()).square().sum())
            power += float(wanted.double().square().sum())
    return noise / max(power, 1e-30)
