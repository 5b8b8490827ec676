"""Fake-quantize nodes in a torch module, by NNCF.

NNCF is imported here and nowhere else. The module that comes out is an ordinary trainable module
of the same class whose operators see rounded weights and activations; backends turn its nodes into
real INT8. Its structure is JSON (`fake-quantize` record), its values are tensors.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.machine import INT8_DOT, fingerprint
from burnish.core.manifest import Record
from burnish.core.noun import Field, Noun
from burnish.model.hookable import hookable, unfit

Inputs = dict[str, Tensor]

_CHILD = "__nncf_hooks"


class Scheme(Noun):
    """How numbers are rounded: 8-bit integers, weights per output channel."""

    activations: Literal["symmetric", "asymmetric"] = "asymmetric"
    calibration: Literal["min-max", "percentile"] = "min-max"
    percentile: float = Field(default=99.99, gt=50, le=100, description="range kept, with calibration: percentile")
    smooth: bool = Field(default=True, description="move outliers of activations into weights (SmoothQuant)")
    bias_correction: bool | None = Field(
        default=None, description="shift biases by each layer's mean error; unset: where outputs come out nearer"
    )


def insert(
    module: nn.Module,
    samples: Sequence[Inputs],
    scheme: Scheme,
    *,
    attention: bool,
    keep_float: Sequence[str] = (),
) -> nn.Module:
    """A calibrated copy of `module` with fake-quantize nodes.

    `samples` are batches of inputs by name; `attention` switches on what transformers need;
    `keep_float` are paths of layers to leave in floating point. Raises `Unsupported` when the
    module cannot be traced.
    """
    scope = [_pattern(path) for path in (*keep_float, *unfit(module))]
    name = type(module).__name__
    return _calibrated(hookable(module), samples, scheme, attention, {"patterns": scope}, name)  # type: ignore[no-any-return]


def insert_into_graph(
    graph: Any, samples: Sequence[Any], scheme: Scheme, *, attention: bool, keep_float: Sequence[str] = ()
) -> Any:
    """The same for an ONNX model (a protobuf message): Q/DQ nodes around its operators.

    `samples` are arrays by input name; `keep_float` are names of nodes. Raises `Unsupported`.
    """
    return _calibrated(graph, samples, scheme, attention, {"names": list(keep_float)}, "the ONNX file")


def _calibrated(
    model: Any, samples: Sequence[Any], scheme: Scheme, attention: bool, ignored: dict[str, list[str]], where: str
) -> Any:
    mixed = scheme.activations == "asymmetric"
    with _quiet() as nncf:
        try:
            return nncf.quantize(
                model,
                nncf.Dataset(list(samples)),
                preset=nncf.QuantizationPreset.MIXED if mixed else nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(samples),
                model_type=nncf.ModelType.TRANSFORMER if attention else None,
                ignored_scope=nncf.IgnoredScope(**ignored, validate=False),
                advanced_parameters=_advanced(scheme),
            )
        except (nncf.InternalError, nncf.ValidationError, nncf.UnsupportedModelError, RuntimeError) as error:
            raise Unsupported(
                "fake-quantize nodes cannot be put into this model",
                where=where,
                why=_first_line(error),
                help="drop the quantize pass; bf16 on OpenVINO needs no nodes",
            ) from error


def record(module: nn.Module) -> Record:
    """The structure of the module's fake-quantize nodes."""
    with _quiet() as nncf:
        return Record(kind="fake-quantize", data=nncf.torch.get_config(module))


def has_nodes(module: nn.Module) -> bool:
    """Whether fake-quantize nodes were put into `module` or a part of it; NNCF keeps them in a child of that name."""
    return any(name.rpartition(".")[2] == _CHILD for name, _ in module.named_modules())


def own_parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    """The module's parameters without those of fake-quantize nodes; one that is shared comes once."""
    return (parameter for name, parameter in module.named_parameters() if _CHILD not in name.split("."))


def replay(module: nn.Module, entry: Record) -> nn.Module:
    """Put the recorded nodes into `module`; their values come with the weights."""
    with _quiet() as nncf:
        return nncf.torch.load_from_config(hookable(module), entry.data)  # type: ignore[no-any-return]


def _advanced(scheme: Scheme) -> Any:
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
        OverflowFix,
    )
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    ranges = RangeEstimatorParameters()
    if scheme.calibration == "percentile":
        outside = 1 - scheme.percentile / 100
        low, high = (
            StatisticsCollectorParameters(StatisticsType.QUANTILE, AggregatorType.MEAN, quantile_outlier_prob=outside)
            for _ in range(2)
        )
        ranges = RangeEstimatorParameters(min=low, max=high)
    smooth = AdvancedSmoothQuantParameters() if scheme.smooth else AdvancedSmoothQuantParameters(-1, -1)
    exact = INT8_DOT & set(fingerprint().isa)
    return AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.DISABLE if exact else OverflowFix.ENABLE,
        disable_bias_correction=not scheme.bias_correction,
        activations_range_estimator_params=ranges,
        smooth_quant_alphas=smooth,
    )


def _pattern(path: str) -> str:
    return "^" + re.escape(path.replace(".", "/")) + "/.*"


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """NNCF, ready to use. It and the extension it builds talk on stdout, in logs and through warnings.

    Nothing of that is news.
    """
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            import nncf.torch

            nncf.set_log_level(logging.ERROR)
            _load_kernels()
            yield nncf
    finally:
        logger.setLevel(level)


@cache
def missing_on(device: str) -> str:
    """Why modules with nodes cannot be trained on `device` ("cpu", "cuda"); empty where they can.

    On a GPU NNCF builds an extension first, which takes a minute and needs CUDA's compiler.
    """
    if device == "cpu":
        return ""
    with _quiet() as nncf:
        try:
            nncf.torch.force_build_cuda_extensions()
        except (nncf.InstallationError, RuntimeError) as error:
            return _first_line(error)
    return ""


@cache
def _load_kernels() -> None:
    """Build and load NNCF's kernels now, and collect the thread pool that it does that in.

    Left to the first forward pass, the pool would be collected, with a warning, at any later time. NNCF gives the
    compiler 60 s, which is too short where other work runs; without a compiler it goes on with slower operators.
    Raises `Unsupported` when the kernels are not there in ten minutes.
    """
    from nncf.torch.extensions import ExtensionLoaderTimeoutException
    from nncf.torch.quantization.extensions import QuantizedFunctionsCPU

    os.environ.setdefault("NNCF_EXTENSION_LOAD_TIMEOUT", "600")
    try:
        QuantizedFunctionsCPU.get("Quantize_forward")
    except ExtensionLoaderTimeoutException as error:
        raise Unsupported(
            "NNCF's kernels could not be compiled in time",
            where="NNCF_EXTENSION_LOAD_TIMEOUT",
            why="the C++ compiler is very slow here, or an older torch waits for the lock of a build that was killed",
            help="set NNCF_EXTENSION_LOAD_TIMEOUT to more seconds, or delete nncf in ~/.cache/torch_extensions",
        ) from error
    finally:
        gc.collect()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
