from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from burnish.cli.main import app
from tests.artifact.made import tiny_images


def test_export_writes_a_repository_and_says_what_it_needs(tmp_path: Path):
    for version in ("1", "2"):
        tiny_images(tmp_path / "models" / "images" / version, seed=int(version))
    out = tmp_path / "out"
    command = ["export", str(tmp_path / "models"), "--to", "triton", "--out", str(out), "--max-batch", "4"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert "max_batch_size: 4" in (out / "images" / "config.pbtxt").read_text()
    assert "versions 1, 2" in result.stdout and "pip install 'onnxruntime>=" in result.stdout


def test_an_unknown_form_is_named(tmp_path: Path):
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--to", "tritn", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "did you mean 'triton'?" in result.stderr


def test_serving_on_ray_without_ray_is_one_error_with_the_command(tmp_path: Path, monkeypatch):
    from burnish.core import ray_cluster

    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["serve", str(tmp_path), "--on", "ray"])
    assert result.exit_code == 1 and result.stderr == "error: Ray is not installed\nhelp: pip install 'burnish[ray]'\n"


def test_replicas_without_a_cluster_and_unknown_engines_are_refused(tmp_path: Path):
    result = CliRunner().invoke(app, ["serve", str(tmp_path), "--replicas", "2"])
    assert result.exit_code == 1 and "--on ray" in result.stderr
    result = CliRunner().invoke(app, ["serve", str(tmp_path), "--on", "rya"])
    assert result.exit_code == 1 and "did you mean 'ray'?" in result.stderr
    result = CliRunner().invoke(app, ["serve", str(tmp_path), "--on", "ray", "--replicas", "4:2"])
    assert result.exit_code == 1 and "give 2, or 1:4" in result.stderr
