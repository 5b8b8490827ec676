import pytest

from burnish.backends.backend import Availability
from burnish.backends.kinds import onnxruntime
from burnish.core.errors import MissingExtra
from burnish.pipeline.choice import Choice
from burnish.pipeline.recipe import Compile


def names(choice: Choice, precision: str = "fp32") -> list[str]:
    return [backend.name for backend in choice.targets(precision)]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_recipes_target_leads_while_it_is_useful(precision: str) -> None:
    choice = Choice(compile=Compile(backends=("eager", "onnxruntime", "openvino")))
    assert names(choice, precision)[0] == choice.compile.target == "openvino"
    choice.useful = ("onnxruntime", "openvino")
    assert names(choice, precision)[:2] == ["openvino", "onnxruntime"]
    choice.useful = ("onnxruntime", "eager")
    assert names(choice, precision)[0] == "onnxruntime"
    assert names(choice, precision)[-1] == "openvino"


def test_null_is_tried_only_when_it_is_named() -> None:
    assert "null" not in [backend.name for backend in Choice(compile=Compile()).usable()]
    named = Choice(compile=Compile(backends=("null",), target="null"))
    assert [backend.name for backend in named.usable()] == ["null"]


def test_a_backend_that_is_not_installed_is_left_out_with_the_reason_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = Availability(ok=False, reason="not installed: onnxruntime", help="pip install onnxruntime")
    monkeypatch.setattr(onnxruntime.ONNXRuntime, "available", lambda self: missing)
    choice = Choice(compile=Compile())
    assert "onnxruntime" not in [backend.name for backend in choice.usable()]
    assert choice.unavailable == {"onnxruntime": "not installed: onnxruntime"}
    with pytest.raises(MissingExtra, match="pip install onnxruntime"):
        Choice(compile=Compile(backends=("onnxruntime",), target="onnxruntime")).usable()
