"""A run as JSON: every round, so that it can be judged again."""

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench import report
from bench.engine.goals import judged
from bench.engine.measuring import Results
from bench.engine.plan import Plan

PACKAGES = ("numpy", "torch", "onnx", "onnxruntime")


def save(path: Path, machine: str, plan: Plan, results: Results) -> None:
    content = {
        "machine": machine,
        "versions": {package: _version(package) for package in PACKAGES},
        "plan": asdict(plan),
        **asdict(results),
        "goals": [
            {
                "goal": one.text,
                "geometric_mean": one.mean,
                "geometric_mean_limit": one.mean_limit,
                "worst_limit": one.worst_limit,
                "worst": asdict(one.worst),
                "met": one.met,
                "ratios": [asdict(ratio) for ratio in one.ratios],
            }
            for one in judged(results)
        ],
    }
    report.save(path, content)


def _version(package: str) -> Any:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
