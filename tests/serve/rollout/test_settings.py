from __future__ import annotations

import pytest

from burnish.core.errors import RecipeError
from burnish.serve.rollout.settings import Rollout, read_rollout
from burnish.serve.run import Options, serve


def test_the_file_beside_the_versions(tmp_path):
    (tmp_path / "rollout.yaml").write_text("labels: {stable: 3, canary: 4}\ncandidate: canary\nweight: 0.1\n")
    found = read_rollout({"3": tmp_path / "3", "4": tmp_path / "4"})
    assert found == Rollout(labels={"stable": "3", "canary": "4"}, candidate="canary", weight=0.1)
    assert read_rollout({"1": tmp_path}) is None, "an artifact that lies beside the file is no version of this model"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wieght": 0.1}, "unknown field 'wieght'.*\n.*did you mean 'weight'"),
        ({"candidate": 4, "weight": 1.5}, "weight"),
        ({"weight": 0.5}, "need a candidate"),
        ({"candidate": "4", "gate": {}}, "sees nothing"),
        ({"candidate": "4", "weight": 0.1, "gate": {}}, "shadow share"),
        ({"candidate": "4", "shadow": 1, "gate": {"error": 0.1}}, "unknown field 'gate.error'"),
        ({"labels": {"4": "3"}}, "is no label"),
        ({"labels": ["stable"]}, "labels"),
        ({"header": "x canary"}, "header"),
    ],
)
def test_a_bad_field_is_one_clear_error(settings, message):
    with pytest.raises(RecipeError, match=message):
        Rollout.parse(settings, where="rollout.yaml")


def test_a_bad_file_is_an_error_before_anything_starts(artifact, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "1").symlink_to(artifact)
    (tmp_path / "tiny" / "rollout.yaml").write_text("candidat: 1\n")
    said: list[str] = []
    with pytest.raises(RecipeError, match="did you mean 'candidate'"):
        serve([tmp_path], Options(port=0, grpc_port=None), said.append)
    assert said == []
