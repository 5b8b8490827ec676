"""Quantize: 8-bit integers for weights and activations.

`ptq` calibrates on a few hundred training rows; BatchNorm statistics are measured anew, or biases shifted, where that
brings the outputs nearer to the float ones. `qat` goes on from there and trains with the rounding
in place, the float model as teacher. `best` does both and keeps the one that scores higher on
validation; the notes hold both. When the score falls more than the budget allows, the noisiest
layers go back to floating point, one, two, four ... at a time, until it holds: before training while
three times the allowed loss is gone, after it, with the trained weights, while any more than allowed
is. The compiled graph is then looked at: the share of operators and of weight bytes that really run
in INT8 must reach `min_coverage`, or the pass fails.

Costs: `ptq` seconds to minutes, `qat` an epoch or two. Sources: Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018); NNCF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from burnish.core.errors import BadData, GateFailed, Unsupported
from burnish.core.evidence import Change, Coverage, Skip
from burnish.core.noun import Field, model_validator
from burnish.model import fake_quant
from burnish.model.onnx_graph import OnnxGraph, refuse_graph
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.distillation.recover import Recover
from burnish.passes.quantization import nodes
from burnish.passes.quantization.calibrate import calibrated
from burnish.passes.quantization.fallback import Fallback, Rounded
from burnish.passes.quantization.training import gently, with_rounding
from burnish.train.norms import settle
from burnish.train.refusals import refuse_with_rounding
from burnish.train.settings import FitSettings


class Quantize(Pass):
    """Round weights and activations to INT8, calibrated or trained."""

    unseen: ClassVar[dict[str, Any]] = {"recover": {"strategy": True}}

    method: Literal["ptq", "qat", "best"] = "best"
    scheme: fake_quant.Scheme = Field(default_factory=fake_quant.Scheme)
    calibration_rows: int = Field(default=300, ge=1)
    max_drop: float | None = Field(default=None, ge=0, description="score that may be lost; unset: the budget's")
    max_float_layers: int = Field(default=8, ge=0, description="most layers that may go back to floating point")
    min_coverage: float = Field(default=0.5, ge=0, le=1, description="least share of operators and bytes in INT8")
    recover: Recover = Field(
        default_factory=lambda: Recover(epochs=1.0),
        description="training with the rounding; its learning_rate, unset, is a twentieth of the workload's",
    )

    @model_validator(mode="after")
    def _plain(self) -> Quantize:
        if self.method != "ptq":
            refuse_with_rounding(self.recover.fit_settings(FitSettings()))
        return self

    @property
    def measures(self) -> bool:
        """See `Pass.measures`."""
        return True

    @property
    def files(self) -> tuple[Path, ...]:
        """The recovery's file of weights."""
        return self.recover.files

    def trainings(self, base: FitSettings) -> tuple[FitSettings, ...]:
        """See `Pass.trainings`."""
        return (gently(self.recover, base).fit_settings(base),) if self.method != "ptq" and self.recover.epochs else ()

    def check_rows(self, count: int) -> None:
        """See `Pass.check_rows`: calibration wants its own number."""
        if count < self.calibration_rows:
            raise BadData(
                f"{count} training rows, {self.calibration_rows} wanted for calibration",
                where="quantize.calibration_rows",
                help=f"give more rows, or set calibration_rows to {count}",
            )

    @property
    def previewed(self) -> str:
        """See `Pass.previewed`."""
        return f"quantize {_rough(self.scheme).model_dump_json()}"

    def preview(self, variant: Variant, examples: Mapping[str, Tensor]) -> Variant:
        """See `Pass.preview`: INT8 everywhere, calibrated on one row."""
        if variant.precision != "fp32":
            return variant
        row = {name: tensor[:1] for name, tensor in examples.items()}
        module = nodes.insert(variant.module, [row], _rough(self.scheme), ()).eval()
        return Variant(module=module, records=(*variant.records, nodes.record(module)), precision="int8")

    def forecast(self) -> str:
        """One line for the plan."""
        ways = {"ptq": "calibrate", "qat": "calibrate and train", "best": "calibrate, train, keep the better"}
        text = f"INT8: {ways[self.method]} on {self.calibration_rows} rows"
        return text if self.method == "ptq" else f"{text}; {self.recover.forecast()}"

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        """See `Pass.__call__`."""
        if variant.precision != "fp32":
            raise Unsupported("the model has fake-quantize nodes already", help="one quantize pass is enough")
        if self.method == "qat":
            refuse_graph(variant.module, "trained")
        if not nodes.layers(variant.module) and not any(p.dim() > 1 for p in variant.module.parameters()):
            raise Unsupported("the model has no weights to round", where=type(variant.module).__name__)
        samples = self._samples(context)
        trains = self.method != "ptq" and not isinstance(variant.module, OnnxGraph)
        base = context.score(variant.module)
        limit = context.floor(base, self.max_drop)
        notes: dict[str, Any] = {"score before": round(base, 5)}

        module, calibrate, errors = calibrated(variant.module, samples, self.scheme, partial(_settle, context))
        notes |= {"error of outputs": errors} if errors else {}

        def order(module: nn.Module) -> list[str]:
            return nodes.noisiest(module, variant.module, context.examples)

        # Training may mend the score: what is to be trained may first lose three times what is allowed.
        fallback = Fallback(base - 3 * (base - limit) if trains else limit, self.max_float_layers, context.score)
        kept, notes["fallback"] = fallback(Rounded(module, context.score(module)), order, calibrate)
        notes["ptq score"] = round(kept.score, 5)
        if trains:
            settings = gently(self.recover, context.fit)
            trained, notes["recovery"] = with_rounding(kept, variant, context, settings)
            notes["qat score"] = round(trained.score, 5)
            if context.difference is not None:
                found = context.difference(trained.module, kept.module)
                notes["qat less ptq"] = {name: round(value, 5) for name, value in found.items()}
            best = trained if self.method == "qat" or trained.score >= kept.score else kept
            notes["kept"] = "qat" if best is trained else "ptq"
            kept, notes["fallback after training"] = replace(fallback, limit=limit)(
                best,
                lambda module: nodes.noisiest_of_its_own(module, variant.module, context.examples),
                lambda layers: nodes.without(best.module, variant.module, samples, self.scheme, layers),
            )
        module, float_layers = kept.module, kept.float_layers
        entry = nodes.record(module)
        result = Variant(module=module.eval(), records=(*variant.records, entry), precision="int8")
        coverage = None if context.inspect is None else context.inspect(result)
        return Outcome(
            variant=result,
            changes=_changes(variant.module, float_layers),
            skipped=tuple(Skip(where=name, why="too noisy in INT8, kept in floating point") for name in float_layers),
            notes=notes,
            coverage=self._covered(coverage),
        )

    def _samples(self, context: Context) -> list[dict[str, Tensor]]:
        self.check_rows(len(context.train))
        rows = np.random.default_rng(context.seed).permutation(len(context.train))[: self.calibration_rows]
        return [context.train.batch(rows[i : i + 1]).inputs for i in range(len(rows))]

    def _covered(self, coverage: Coverage | None) -> Coverage | None:
        if coverage is None:
            return None
        share = min(coverage.op_share, coverage.byte_share)
        if share < self.min_coverage:
            raise GateFailed(
                f"only {coverage.op_share:.0%} of operators and {coverage.byte_share:.0%} of bytes run in INT8",
                where="quantize",
                why=", ".join(f"{op.name} ({op.precision})" for op in coverage.ops if op.precision != "int8")[:300],
                help="another backend may do better, or lower min_coverage",
            )
        return coverage


def _rough(scheme: fake_quant.Scheme) -> fake_quant.Scheme:
    """The scheme without what costs time and changes no operator."""
    return scheme.model_copy(update={"bias_correction": False, "calibration": "min-max"})


def _settle(context: Context, module: nn.Module) -> None:
    fit = context.fit.model_copy(update={"device": "cpu"})
    settle(module, context.train, fit, seed=context.seed, epoch=0, progress=context.progress, label="statistics")


def _changes(module: nn.Module, float_layers: Sequence[str]) -> tuple[Change, ...]:
    names = [name for name in nodes.layers(module) if name not in float_layers]
    return tuple(Change(where=name, what="weights per channel and activations to INT8") for name in names)


PART = Quantize
