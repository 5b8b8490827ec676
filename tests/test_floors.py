"""The house rules, read from the source: who imports whom, and where each library is imported."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import burnish

ROOT = Path(burnish.__file__).parent

FLOORS = (
    ("core",),
    ("model",),
    ("data", "backends"),
    ("train", "measure"),
    ("workloads",),
    ("passes", "artifact"),
    ("pipeline", "serve"),
    ("report",),
    ("cli", "api", "testing", "recipes", "__init__", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
TOP = len(FLOORS) - 1

WRAPPERS = {  # a name with a slash at its end is a room of its own
    "PIL": "data/images.py",
    "deepspeed": "train/deepspeed_engine.py",
    "google.protobuf": "serve/grpc/schema.py",
    "google.protobuf.message": "backends/onnx_file.py serve/grpc/schema.py",
    "grpc": "serve/grpc/server.py",
    "httptools": "serve/load/wire.py",
    "matplotlib": "report/plots.py",
    "nncf": "model/fake_quant.py",
    "onnx": "backends/onnx_file.py",
    "onnxruntime": "backends/kinds/onnxruntime.py",
    "onnxscript": "",
    "openvino": "backends/kinds/openvino.py",
    "orjson": "serve/protocol/rest.py",
    "psutil": "core/machine.py",
    "pyarrow": "data/tables/",
    "prometheus_client": "serve/metrics/",
    "pydantic": "core/noun.py",
    "ray": "core/ray_cluster.py",
    "ray.exceptions": "core/ray_cluster.py train/on_ray.py",
    "ray.serve": "serve/on_ray.py",
    "ray.train": "train/on_ray.py",
    "rich": "cli/terminal/",
    "safetensors": "model/weights.py",
    "sklearn": "data/samples/classifier.py workloads/kinds/digits.py passes/pruning/table.py",
    "torch_pruning": "passes/pruning/groups.py",
    "torchvision": "data/fashion_mnist.py",
    "transformers": "workloads/_transformers.py",
    "typer": "cli/main.py cli/data_app.py cli/optimize_app.py cli/serve_app.py cli/train_app.py",
    "uvicorn": "serve/http/connection.py serve/http/server.py",
    "uvloop": "serve/run.py",
    "yaml": "core/yaml_file.py",
}
TRAVELS = {"artifact/triton/model.py": {"numpy", "triton_python_backend_utils", "onnxruntime", "openvino", "burnish"}}
"""Files that are copied out of the package and run without it, and what they may import beyond the standard library."""

LOADERS = {
    "torch.load": "weights_only=True",
    "torch.jit.load": "never",
    "torch.package.PackageImporter": "never",
    "np.load": "allow_pickle=False",
    "yaml.load": "never",
    "eval": "never",
    "exec": "never",
}
"""Calls that could run foreign code, and the argument that keeps them from it."""

UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, lazily or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of what is imported"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def forbidden(path: Path, name: str) -> str:
    """Why this file may not import that name; "" when it may."""
    parts = name.split(".")
    if parts[0] != "burnish":
        return ""
    here, there = room_of(path), parts[1] if len(parts) > 1 and parts[1] in FLOOR else "__init__"
    if here == there or (FLOOR[here] == TOP and there != "__init__"):
        return ""
    if there == "__init__" and name == "burnish.__file__":
        return ""
    if FLOOR[there] == FLOOR[here]:
        return f"{here} and {there} are on one floor and do not know each other"
    if FLOOR[there] > FLOOR[here]:
        return f"{here} (floor {FLOOR[here]}) imports from {there} (floor {FLOOR[there]})"
    return ""


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in sources()} <= set(FLOOR)


def test_rooms_import_from_lower_floors_only() -> None:
    broken = [
        f"{path.relative_to(ROOT.parent)}:{line}: {reason}"
        for path in sources()
        if path.relative_to(ROOT).as_posix() not in TRAVELS
        for line, name in imports(path)
        if (reason := forbidden(path, name))
    ]
    assert not broken, "\n".join(broken)


def test_the_rule_finds_what_it_should() -> None:
    assert "floor 2" in forbidden(ROOT / "data" / "x.py", "burnish.train.loop.fit")
    assert "one floor" in forbidden(ROOT / "data" / "x.py", "burnish.backends.backend")
    assert forbidden(ROOT / "core" / "x.py", "burnish.optimize")
    assert not forbidden(ROOT / "train" / "x.py", "burnish.data.split.Split")


def test_each_library_is_imported_in_one_file() -> None:
    broken = []
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        for line, name in () if place in TRAVELS else imports(path):
            library = max((key for key in WRAPPERS if f"{name}.".startswith(f"{key}.")), key=len, default="")
            homes = WRAPPERS[library].split() if library else [place]
            if not any(place.startswith(home) if home.endswith("/") else place == home for home in homes):
                broken.append(f"{place}:{line}: {library} belongs to {WRAPPERS[library] or 'nobody'}")
    assert not broken, "\n".join(broken)


def test_files_that_travel_import_little() -> None:
    for place, allowed in TRAVELS.items():
        roots = {name.partition(".")[0] for _, name in imports(ROOT / place)} - sys.stdlib_module_names
        assert roots <= allowed, f"{place}: {sorted(roots - allowed)}"


def test_core_knows_no_torch() -> None:
    broken = [
        f"{path.name}:{line}: {name}"
        for path in sorted((ROOT / "core").rglob("*.py"))
        for line, name in imports(path)
        if name.partition(".")[0] in ("torch", "numpy")
    ]
    assert not broken


def test_nothing_is_ever_unpickled() -> None:
    broken = []
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        broken += [f"{place}:{line}: {name}" for line, name in imports(path) if name.partition(".")[0] in UNPICKLERS]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in LOADERS:
                given = {f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords}
                if LOADERS[ast.unparse(node.func)] not in given:
                    broken.append(f"{place}:{node.lineno}: {ast.unparse(node.func)}")
    assert not broken, "\n".join(broken)


def test_importing_burnish_loads_nothing_heavy() -> None:
    code = "import sys, json, burnish; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pydantic", *WRAPPERS} & set(json.loads(done.stdout))


def test_files_stay_short() -> None:
    long = [f"{path.relative_to(ROOT)}: {n}" for path in sources() if (n := len(path.read_text().splitlines())) > 400]
    assert not long
