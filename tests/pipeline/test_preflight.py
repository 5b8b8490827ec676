from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from burnish.core.budget import parse_budget
from burnish.core.errors import RecipeError, Unsupported
from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.model.variant import Variant
from burnish.pipeline import preflight
from burnish.pipeline.choice import Choice
from burnish.pipeline.preflight import check_latency, check_model, check_quality
from burnish.pipeline.recipe import Compile
from burnish.pipeline.workbench import Workbench
from burnish.testing import TinyImages
from tests import tiny
from tests.pipeline.fake import profile


def bench(folder: Path, *backends: str) -> Workbench:
    work = tiny.workload()
    return Workbench(
        workload=work,
        choice=Choice(compile=Compile(backends=backends, target=backends[0])),
        served=(Served(batch=2),),
        threads=1,
        folder=folder / "scratch",
        progress=Silent(),
        examples=tiny.context().examples,
    )


class Moody(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(432, 5)

    def forward(self, x: Tensor) -> Tensor:
        if float(x.sum()) > 0:
            return self.layer(x.flatten(1))
        return -self.layer(x.flatten(1))


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Moody()

    def forward(self, image: Tensor) -> Tensor:
        return self.inner(image)


def test_a_model_that_no_backend_can_trace_names_module_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="cannot trace this model") as caught:
        check_model(bench(tmp_path, "eager"), Variant(module=Holder().eval()))
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "float(x.sum())" in text)
    assert caught.value.where == f"inner (Moody), {__file__}:{line}"
    assert "float(x.sum())" in caught.value.why and caught.value.help


def test_one_backend_that_can_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Workbench.build

    def build(self, variant, backend, options):
        if backend.name == "openvino":
            raise Unsupported("not this one")
        return real(self, variant, backend, options)

    monkeypatch.setattr(Workbench, "build", build)
    check_model(bench(tmp_path, "openvino", "eager"), Variant(module=TinyImages().eval()))


def test_a_latency_below_what_an_empty_model_costs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def compare(candidates, shapes, **named):
        seen.append([item.label for item in candidates])
        ((label, requests),) = shapes.items()
        assert requests[0]["x"].shape == (2, 432)
        return {label: [profile(item.label, ms, label) for item, ms in zip(candidates, (0.5, 0.2), strict=True)]}

    monkeypatch.setattr(preflight, "compare", compare)
    bench_ = bench(tmp_path, "openvino", "eager")
    with pytest.raises(RecipeError, match=r"no model answers in 0\.1 ms here") as caught:
        check_latency(bench_, parse_budget("accuracy>=-1pt, latency_p95<=0.1ms", "accuracy"))
    assert seen == [["openvino", "eager"]]
    assert caught.value.where == "budget: latency_p95<=0.1ms"
    assert caught.value.why == "an empty model takes 0.2 ms on eager at batch 2"
    assert caught.value.help == "ask for more than 0.2 ms"
    check_latency(bench_, parse_budget("latency<=0.3ms", "accuracy"))


def test_an_empty_model_really_answers_and_costs_little(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no model answers"):
        check_latency(bench(tmp_path, "openvino"), parse_budget("latency<=0.0001ms", "accuracy"))


def test_nothing_is_measured_without_a_latency_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "compare", None)
    check_latency(bench(tmp_path, "eager"), parse_budget("accuracy>=-1pt, size<=4MB", "accuracy"))


@pytest.mark.parametrize("text", ["accuracy>=92", "accuracy>=101%", "accuracy<=-0.1"])
def test_a_quality_outside_the_metrics_range_is_refused(text: str) -> None:
    metric = tiny.workload().metric
    with pytest.raises(RecipeError, match="accuracy goes from 0 to 1") as caught:
        check_quality(parse_budget(text, "accuracy"), metric)
    assert caught.value.where == f"budget: {text}" and "accuracy>=92%" in caught.value.help


@pytest.mark.parametrize("text", ["accuracy>=-101pt", "accuracy>=-500pt", "accuracy>=+150pts"])
def test_more_points_than_there_are_are_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="100 points in all") as caught:
        check_quality(parse_budget(text, "accuracy"), tiny.workload().metric)
    assert caught.value.where == f"budget: {text}" and "accuracy>=-1pt" in caught.value.help


@pytest.mark.parametrize(
    "text", ["", "accuracy>=-100pt", "accuracy>=92%", "accuracy>=1", "accuracy>=-3pt", "latency<=5ms"]
)
def test_what_is_possible_is_let_through(text: str) -> None:
    check_quality(parse_budget(text, "accuracy"), tiny.workload().metric)


def test_the_empty_model_gives_one_number_per_row() -> None:
    assert preflight._Empty()(torch.zeros(3, 7)).shape == (3, 1)
