import numpy as np
import pytest
import torch

from burnish.backends.onnx_ports import heavy_nodes
from burnish.core.errors import Unsupported
from burnish.measure.quality import predict_module
from burnish.model.fake_quant import Scheme
from burnish.model.onnx_graph import OnnxGraph, graph_record
from burnish.model.replay import replay
from burnish.model.variant import Variant
from burnish.passes.kinds.distill import Distill
from burnish.passes.kinds.fit import Fit
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.passes.quantization import nodes
from tests import onnx_files, tiny


@pytest.fixture
def work(tmp_path):
    return onnx_files.workload(tmp_path)


@pytest.fixture
def context(work):
    def score(module):
        return work.metric.compute(predict_module(module, work.validation), work.validation.targets)

    return tiny.context(
        signature=work.signature,
        examples=work.train.batch(np.arange(4)).inputs,
        train=work.train,
        score=score,
        teacher=None,
    )


def test_a_graph_is_rounded_and_comes_back_from_its_record(work, context):
    before = Variant(module=work.build())
    outcome = Quantize(method="best", calibration_rows=100)(before, context)
    after = outcome.variant
    assert after.precision == "int8" and "qat score" not in outcome.notes
    assert [change.where for change in outcome.changes] == list(heavy_nodes(before.module.data))
    assert context.score(after.module) > context.score(before.module) - 0.03
    different = predict_module(after.module, work.test) - predict_module(before.module, work.test)
    assert 1e-4 < np.abs(different).max() < 2.0
    again = replay(work.build(), after.records)
    again.module.load_state_dict(after.module.state_dict())
    assert again.precision == "int8"
    assert np.array_equal(predict_module(again.module, work.test), predict_module(after.module, work.test))


def test_nodes_go_back_to_floating_point_until_the_score_holds(work, context):
    def strict(module):
        return 1.0 - 0.01 * (b"DequantizeLinear" in module.data) * (3 - len(kept))

    kept: list[str] = []
    insert = nodes.insert

    def note(module, samples, scheme, keep_float):
        kept[:] = keep_float
        return insert(module, samples, scheme, keep_float)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "insert", note)
        changed = tiny.context(**{**vars(context), "score": strict, "max_drop": 0.0, "base_score": 1.0})
        outcome = Quantize(method="ptq", calibration_rows=20, max_float_layers=2)(Variant(module=work.build()), changed)
    assert len(outcome.skipped) == 2
    assert {skip.where for skip in outcome.skipped} < set(heavy_nodes(work.build().data))


def test_the_noisiest_node_comes_first(work, context):
    module = work.build()
    rounded = nodes.insert(module, [{k: v[:1] for k, v in context.examples.items()}], Quantize().scheme, [])
    order = nodes.noisiest(rounded, module, context.examples)
    assert sorted(order) == sorted(heavy_nodes(module.data))
    assert nodes.noisiest(module, module, context.examples) == sorted(order)


@pytest.mark.parametrize("pass_", [Fit(), Prune(ratio=0.5), Distill(), Quantize(method="qat", calibration_rows=4)])
def test_what_needs_a_module_says_so(pass_, work, context):
    with pytest.raises(Unsupported, match="an ONNX file cannot be"):
        pass_(Variant(module=work.build()), tiny.context(**{**vars(context), "teacher": work.build()}))


def test_a_copy_shares_nothing(work):
    module = work.build()
    twin = Variant(module=module).copy().module
    assert isinstance(twin, OnnxGraph) and twin.data == module.data
    twin.graph.zero_()
    assert module.data != twin.data
    assert graph_record(module).data == {"size_bytes": len(module.data)}
    with pytest.raises(Unsupported, match="belongs to an ONNX file"):
        replay(tiny.trained().module, [graph_record(module)])


@pytest.mark.parametrize(("layers", "gone"), [([], 0), (["head"], 1), (["features.0", "features.3", "head"], 3)])
def test_nodes_leave_a_trained_module_and_nothing_else_changes(layers, gone):
    context = tiny.context()
    samples = [context.train.batch(np.arange(i, i + 1)).inputs for i in range(16)]
    original = tiny.trained().module
    trained = nodes.insert(original, samples, Scheme(), [])
    with torch.no_grad():
        trained.head.weight.mul_(1.01)
    left = nodes.without(trained, original, samples, Scheme(), layers)
    assert torch.equal(left.head.weight, trained.head.weight)
    kept, all_of_them = (rounded_weights(module) for module in (left, trained))
    assert len(all_of_them) - len(kept) == gone and kept <= all_of_them
    if not layers:
        assert torch.equal(left(**context.examples), trained(**context.examples))


def rounded_weights(module):
    return {
        hook
        for part in nodes.record(module).data["compression_state"]
        for hook in part["hook_names_in_model"]
        if hook.startswith("pre_hooks")
    }
