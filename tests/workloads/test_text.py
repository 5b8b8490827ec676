import warnings

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.errors import BadData, RecipeError, Unsupported
from burnish.data.divide import divide
from burnish.workloads import text
from burnish.workloads.registry import get
from burnish.workloads.text import EncoderClassifier, WholeClassifier, open_encoder, text_split, trim

transformers = pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "very", "a", *map(str, range(40))]
SMALL = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def make_folder(path, cls=None, config=None):
    path.mkdir(exist_ok=True)
    (path / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    model = (cls or transformers.BertModel)(config or transformers.BertConfig(**SMALL))
    model.save_pretrained(path)
    transformers.BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    return path


def make_table(path, labels=("bad", "good")):
    lines = ["text,label"]
    for row in range(60):
        word = "good" if row % 2 else "bad"
        lines.append(f"{'very ' * (row % 4)}{word} film {row % 40} {row},{labels[row % 2]}")
    path.write_text("\n".join([*lines, lines[1]]))
    return str(path)


def inputs(batch, length, short=2):
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[:, length - short :] = 0
    return {"input_ids": torch.randint(5, 40, (batch, length)), "attention_mask": mask}


SHAPES = [(1, 7), (3, 7), (1, 40), (3, 40)]


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    return EncoderClassifier(open_encoder(make_folder(tmp_path / "m")), 16, 2).eval()


def test_exports_with_free_batch_and_length(classifier):
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=64)}
    shapes = {"input_ids": dims, "attention_mask": dims}
    program = torch.export.export(classifier, (), inputs(3, 16), dynamic_shapes=shapes).module()
    for batch, length in SHAPES:
        example = inputs(batch, length)
        assert torch.allclose(program(**example), classifier(**example), atol=1e-6)


def test_traces_with_free_batch_and_length(classifier):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(classifier, example_kwarg_inputs=inputs(3, 16))
        for batch, length in SHAPES:
            example = inputs(batch, length)
            assert torch.allclose(traced(**example), classifier(**example), atol=1e-6)


def test_padding_does_not_count(classifier):
    example = inputs(2, 20, short=8)
    cut = {name: tensor[:, :12] for name, tensor in example.items()}
    assert torch.allclose(classifier(**example), classifier(**cut), atol=1e-5)
    assert all(torch.equal(trim(example)[name], cut[name]) for name in cut)


def test_a_text_of_nothing_but_padding_is_finite(classifier):
    example = inputs(1, 4, short=4)
    assert trim(example)["input_ids"].shape == (1, 1)
    assert torch.isfinite(classifier(**example)).all()


def test_an_encoder_folder_becomes_a_workload(tmp_path):
    folder = make_folder(tmp_path / "m")
    workload = get(str(folder), data=make_table(tmp_path / "t.csv"), length=12)
    assert (workload.labels, workload.trained) == (("bad", "good"), False)
    assert len(workload.train) + len(workload.validation) + len(workload.test) == 60
    assert workload.train.inputs["input_ids"].shape[1] == 12
    assert isinstance(workload.build(), EncoderClassifier)
    assert [served.label for served in workload.served] == ["batch 1, length 12", "batch 1, length own"]


def test_rows_of_a_table_are_mapped_and_those_that_memory_would_hold(tmp_path):
    folder = make_folder(tmp_path / "m")
    workload = get(str(folder), data=make_table(tmp_path / "t.csv"), length=12)
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()[1:61]]
    whole = text_split(folder, [words for words, _ in lines], np.arange(60) % 2, length=12)
    parts = (workload.train, workload.validation, workload.test)
    for part, rows in zip(parts, divide(whole.targets, (0.8, 0.1, 0.1), seed=0), strict=True):
        assert not any(array.flags.owndata for array in (*part.inputs.values(), part.lengths))
        assert sum(array[0].nbytes for array in part.inputs.values()) == 5 * 12
        wanted = list(whole.take(rows).shuffled(4, seed=1, epoch=0))
        found = list(part.shuffled(4, seed=1, epoch=0))
        for one, other in zip(wanted, found, strict=True):
            assert torch.equal(one.targets, other.targets)
            assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
            assert all(tensor.dtype == torch.int64 for tensor in other.inputs.values())


def test_the_rows_follow_the_tokenizer(tmp_path):
    folder, table = make_folder(tmp_path / "m"), make_table(tmp_path / "t.csv")
    before = get(str(folder), data=table).train.fingerprint()
    assert get(str(folder), data=table).train.fingerprint() == before
    assert get(str(folder), data=table, length=5).train.fingerprint() != before
    (folder / "vocab.txt").write_text("\n".join(reversed(WORDS)))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    assert get(str(folder), data=table).train.fingerprint() != before


def test_a_classifier_folder_is_trained_already(tmp_path):
    config = transformers.BertConfig(**SMALL, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    folder = make_folder(tmp_path / "m", transformers.BertForSequenceClassification, config)
    workload = get(str(folder), data=make_table(tmp_path / "t.csv"))
    assert workload.trained and workload.labels == ("bad", "good")
    module = workload.build()
    assert isinstance(module, WholeClassifier)
    batch = next(workload.test.in_order(3))
    theirs = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    assert torch.allclose(module.eval()(**batch.inputs), theirs(**batch.inputs).logits, atol=1e-5)
    with pytest.raises(BadData, match="knows no class 'great'"):
        get(str(folder), data=make_table(tmp_path / "u.csv", ("bad", "great")))
    with pytest.raises(BadData, match="labels go from 1 to 2"):
        get(str(folder), data=make_table(tmp_path / "v.csv", ("1", "2")))


class OwnMask(nn.Module):
    """Takes every mask for ones and zeros, as some architectures do."""

    def forward(self, input_ids, attention_mask):
        keep = attention_mask.reshape(len(attention_mask), -1).float()
        return ((input_ids * keep)[:, :, None],)


def test_an_architecture_with_another_kind_of_mask_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "load_model", lambda folder, classifier: OwnMask())
    for opener in (text.open_encoder, text.open_classifier):
        with pytest.raises(Unsupported, match="additive attention mask"):
            opener(tmp_path)


def test_a_model_that_transformers_cannot_open_is_refused(tmp_path):
    folder = make_folder(tmp_path / "m", transformers.DebertaV2Model, transformers.DebertaV2Config(**SMALL))
    with pytest.raises(Unsupported, match="cannot open this model"):
        open_encoder(folder)


def test_faults_of_folders_are_named(tmp_path):
    folder = make_folder(tmp_path / "m")
    table = make_table(tmp_path / "t.csv")
    with pytest.raises(RecipeError, match=r"needs the setting 'data'"):
        get(str(folder))
    with pytest.raises(RecipeError, match=r"did you mean 'length'"):
        get(str(folder), data=table, lenght=3)
    with pytest.raises(BadData, match="holds no texts"):
        get(str(folder), data=_numbers(tmp_path / "n.csv"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(Unsupported, match="cannot open this model"):
        get(str(folder), data=table).build()
    (folder / "config.json").write_text("{")
    with pytest.raises(BadData, match="config cannot be read"):
        get(str(folder), data=table)


def _numbers(path):
    path.write_text("text,label\n1,0\n2,1\n")
    return str(path)


def test_mean_of_tokens_only():
    class Echo(nn.Module):
        def forward(self, input_ids, attention_mask):
            states = input_ids[:, :, None].float()
            return type("Out", (), {"last_hidden_state": states})()

    model = EncoderClassifier(Echo(), 1, 1).eval()
    nn.init.ones_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    ids = torch.tensor([[2, 4, 99]])
    assert model(ids, torch.tensor([[1, 1, 0]])).item() == 3.0


def test_hidden_words_spare_special_tokens_and_padding():
    ids = torch.randint(5, 40, (64, 32))
    ids[:, 0], ids[:, 20], ids[:, 21:] = 2, 3, 0
    before = ids.clone()
    hide = text.HideWords(share=0.25, mask_id=4, spare=(0, 2, 3))
    batch = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    out = hide(batch, torch.Generator().manual_seed(0))
    assert torch.equal(ids, before) and torch.equal(out["attention_mask"], batch["attention_mask"])
    hidden = out["input_ids"] != ids
    assert set(out["input_ids"][hidden].tolist()) == {4}
    assert not hidden[:, 0].any() and not hidden[:, 20:].any()
    assert 0.2 < hidden[:, 1:20].float().mean() < 0.3
