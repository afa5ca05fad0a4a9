"""One file for each verb or family: parse, call, answer. REGISTER is every one of them."""

from collections.abc import Callable

from convserve_service.endpoints import (
    config,
    datasets,
    docs,
    evaluate,
    explain,
    gradients,
    infer,
    jobs,
    models,
    predict,
    repository,
    server,
    statistics,
    step,
    train,
    v1,
    versions,
    weights,
)
from convserve_service.routes import Routes
from convserve_service.service import Service

REGISTER: tuple[Callable[[Routes, Service], None], ...] = (
    server.register,
    repository.register,
    models.register,
    config.register,
    statistics.register,
    infer.register,
    predict.register,
    gradients.register,
    train.register,
    step.register,
    evaluate.register,
    explain.register,
    weights.register,
    versions.register,
    datasets.register,
    jobs.register,
    v1.register,
    docs.register,
)
