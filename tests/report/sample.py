"""A made-up run with everything a report can show: for tests only, no number here was measured."""

from __future__ import annotations

from burnish.core.evidence import Change, Coverage, Evidence, LayerRow, Ledger, OpCoverage, Point, Skip
from burnish.core.machine import Machine
from burnish.core.measurement import LatencyProfile, Measurement, Ratio

SHAPES = ("batch 1, length 128", "batch 1, length own")
MACHINE = Machine(
    processor="Made-up Xeon 8000 @ 2.6 GHz",
    cores=2,
    memory_bytes=8 * 2**30,
    isa=("avx2", "avx512f", "avx512_vnni", "amx_int8"),
    system="Linux x86_64, Python 3.11.2",
    versions={"burnish": "0.1.0", "torch": "2.14.1", "openvino": "2026.4.0", "onnxruntime": "1.32.0", "nncf": "3.4.0"},
)


def measurement(name: str, value: float, unit: str, spread: float = 0.0, n: int = 1, protocol: str = "") -> Measurement:
    return Measurement(
        name=name, value=value, unit=unit, low=value - spread, high=value + spread, n=n, protocol=protocol, machine="m"
    )


def profile(label: str, shape: str, p50: float) -> LatencyProfile:
    how = "15 interleaved rounds of 40 calls, one process per candidate, 2 threads"
    p50_ms, p95_ms, p99_ms = (
        measurement(f"latency_{name}", p50 * factor, "ms", p50 * factor * 0.04, 600, how)
        for name, factor in (("p50", 1.0), ("p95", 1.13), ("p99", 1.42))
    )
    rounds = tuple(p50 * (1 + 0.01 * (i % 5 - 2)) for i in range(15))
    return LatencyProfile(
        label=label, served=shape, p50=p50_ms, p95=p95_ms, p99=p99_ms, rounds_ms=rounds, peak_memory_bytes=412_000_000
    )


def point(
    stage: int, label: str, backend: str, p50: float, accuracy: float, *, parameters: int, size: int,
    exact: bool = True, reason: str = "", on_front: bool = False, chosen: bool = False,
    options: dict[str, object] | None = None,
) -> Point:  # fmt: skip
    change = (accuracy - 0.764) * 100
    protocol = "2,121 test rows, read once; paired bootstrap, 10,000 draws"
    return Point(
        stage=stage,
        label=f"{label} on {backend} {' '.join(map(str, (options or {}).values()))}".strip(),
        backend=backend,
        options=options or {},
        exact=exact,
        reason=reason,
        on_front=on_front,
        chosen=chosen,
        validation=measurement("accuracy", accuracy + 0.004, "share", 0.009, 1060, protocol),
        test=measurement("accuracy", accuracy, "share", 0.0088, 2121, protocol),
        test_delta=measurement("accuracy_delta", change, "points", 0.4 if stage else 0.0, 2121, protocol),
        latency={SHAPES[0]: profile(label, SHAPES[0], p50), SHAPES[1]: profile(label, SHAPES[1], p50 * 0.31)},
        speedup={
            SHAPES[0]: _ratio(48.2 / p50),
            SHAPES[1]: _ratio(48.2 / p50 * 0.93),
        },
        throughput={
            str(n): measurement("throughput", 1e3 / p50 * g, "rows/s") for n, g in ((1, 1), (8, 1.6), (32, 1.9))
        },
        parameters=parameters,
        macs=parameters * 121,
        size_bytes=size,
        smaller=90_868_000 / size,
    )


def _ratio(value: float) -> Ratio:
    return Ratio(baseline="base on eager", value=value, low=value * 0.97, high=value * 1.04)


def layers(blocks: int = 6) -> tuple[LayerRow, ...]:
    rows = [
        _layer("embeddings.word", "embedding", 384, 384, "fp32"),
        _layer("embeddings.position", "embedding", 384, 384, "fp32"),
    ]
    for block in range(blocks):
        for name, before, after in (
            ("attention.self.query", 384, 256), ("attention.self.key", 384, 256), ("attention.self.value", 384, 256),
            ("attention.output.dense", 384, 384), ("intermediate.dense", 1536, 480 + 96 * (block % 4)),
            ("output.dense", 384, 384),
        ):  # fmt: skip
            low = "fp32" if (block, name) == (5, "output.dense") else "int8"
            rows.append(_layer(f"encoder.layer.{block}.{name}", "linear", before, after, low))
    return (*rows, _layer("pooler.dense", "linear", 384, 384, "bf16"), _layer("classifier", "linear", 2, 2, "int8"))


def _layer(name: str, kind: str, before: int, after: int, precision: str) -> LayerRow:
    return LayerRow(
        name=name, kind=kind, width_before=before, width_after=after, precision=precision,
        parameters_before=before * 384, parameters_after=after * 384,
    )  # fmt: skip


def coverage() -> Coverage:
    ops = [
        OpCoverage(name=row.name, kind=row.kind, precision=row.precision, weight_bytes=row.parameters_after)
        for row in layers()
        if row.kind == "linear"
    ]
    return Coverage(ops=tuple(ops))


def stages() -> tuple[Evidence, ...]:
    narrowed = [row for row in layers() if row.width_after < row.width_before]
    changes = tuple(Change(where=r.name, what=f"width {r.width_before} to {r.width_after}") for r in narrowed)
    kept_back = tuple(
        Skip(where=r.name, why="its width is the residual stream's")
        for r in layers()
        if r.name.endswith("output.dense")
    )
    return (
        _stage(0, "base", "base", 0.768, 22_700_000, 90_868_000, 0.0),
        _stage(1, "prune", "kept", 0.761, 16_400_000, 65_640_000, 212.0, changes=changes, skipped=kept_back,
               settings={"criterion": "taylor", "target_latency": 0.5}),
        _stage(2, "distill", "kept", 0.769, 16_400_000, 65_640_000, 431.0, cached=True, settings={"temperature": 2.0},
               changes=(Change(where="whole model", what="3 epochs against the base's logits and attention maps"),)),
        _stage(3, "quantize", "rolled back", 0.741, 16_400_000, 22_100_000, 38.0,
               settings={"mode": "ptq", "samples": 300},
               reason="validation fell by 2.7 points, the gate allows 1.0; worst: encoder.layer.5.output.dense",
               changes=(Change(where="38 operators", what="int8"),)),
        _stage(4, "quantize", "kept", 0.766, 16_400_000, 22_160_000, 506.0, settings={"mode": "qat", "epochs": 1},
               changes=(Change(where="36 operators", what="int8, per channel"),
                        Change(where="encoder.layer.5.output.dense", what="left in fp32 by the accuracy gate")),
               cover=coverage()),
    )  # fmt: skip


def _stage(
    number: int, name: str, verdict: str, validation: float, parameters: int, size: int, seconds: float, *,
    changes: tuple[Change, ...] = (), skipped: tuple[Skip, ...] = (), settings: dict[str, object] | None = None,
    reason: str = "", cached: bool = False, cover: Coverage | None = None,
) -> Evidence:  # fmt: skip
    return Evidence(
        stage=number,
        pass_name=name,
        settings=settings or {},
        verdict=verdict,
        reason=reason,
        cached=cached,
        changes=changes,
        skipped=skipped,
        seconds=seconds,
        coverage=cover,
        measured={
            "validation": measurement("validation", validation, "score"),
            "parameters": measurement("parameters", parameters, "1"),
            **({"gain": measurement("gain", 1.58, "x", 0.03)} if verdict == "rolled back" else {}),
            "size_bytes": measurement("size_bytes", size, "bytes"),
        },
    )


def points() -> tuple[Point, ...]:
    full, cut = {"parameters": 22_700_000, "size": 90_868_000}, {"parameters": 16_400_000, "size": 65_640_000}
    small = {"parameters": 16_400_000, "size": 22_160_000}
    return (
        point(0, "base", "eager", 48.2, 0.764, **full),
        point(0, "base", "onnxruntime", 21.4, 0.764, options={"precision": "fp32"}, **full),
        point(0, "base", "openvino", 18.9, 0.764, options={"precision": "f32"}, **full),
        point(2, "prune, distill", "openvino", 9.1, 0.766, on_front=True, options={"precision": "f32"}, **cut),
        point(2, "prune, distill", "openvino", 6.4, 0.7655, on_front=True, options={"precision": "bf16"}, **cut),
        point(2, "prune, distill", "inductor", 11.8, 0.766, options={"mode": "max-autotune"}, **cut),
        point(4, "prune, distill, int8", "onnxruntime", 4.6, 0.7625, exact=False, options={"precision": "int8"},
              reason="largest difference 0.31, tolerance 0.05", **small),
        point(4, "prune, distill, int8", "openvino", 3.92, 0.762, on_front=True, chosen=True,
              options={"precision": "int8", "streams": 1}, **small),
    )  # fmt: skip


def ledger(**changes: object) -> Ledger:
    whole = Ledger(
        workload="sentiment-minilm",
        title="Sentiment of movie snippets, MiniLM",
        metric="accuracy",
        budget="accuracy>=-1pt, latency_p95<=5ms",
        command="burnish optimize sentiment-minilm --budget 'accuracy>=-1pt, latency_p95<=5ms' --out runs/minilm",
        started="2026-03-14 09:26 UTC",
        commit="898594e",
        seed=7,
        threads=2,
        machine=MACHINE,
        recipe={
            "workload": "sentiment-minilm",
            "budget": "accuracy>=-1pt, latency_p95<=5ms",
            "passes": [
                {"prune": {"criterion": "taylor", "target": {"latency": 0.5}, "round_to": 32}},
                {"distill": {"temperature": 2.0, "losses": ["logits", "attention"]}},
                {"quantize": {"mode": "qat", "keep": []}},
            ],
            "compile": "auto",
        },
        stages=stages(),
        points=points(),
        layers=layers(),
        warnings=("the processor has no bf16 instructions: bf16 candidates run in emulation",),
        licence="Weights: Apache-2.0 (made-up encoder). Data: research use only (made-up snippets).",
        seconds_training=1_050.0,
        seconds_measuring=190.0,
        seconds_total=1_288.0,
    )
    return whole.model_copy(update=changes)
