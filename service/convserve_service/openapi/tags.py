"""The families under which operations are shown, in this order; an operation is named under exactly one."""

from dataclasses import dataclass

from convserve_service.operations import Operation


@dataclass(frozen=True)
class Tag:
    name: str
    description: str
    operations: tuple[str, ...] = ()


TAGS = (
    Tag(
        "Models", "Make, describe and delete a model.",
        ("create", "metadata", "architecture", "config", "model_ready", "delete"),
    ),
    Tag("Answers", "Ask a model; nothing is changed.", ("predict", "infer", "explain", "evaluate", "gradients")),
    Tag("Training", "One request, one transaction, one new version.", ("train", "step")),
    Tag(
        "Versions", "The history of a model, the weights in it, and names for versions.",
        ("versions", "get_weights", "put_weights", "rollback", "set_alias", "delete_alias"),
    ),
    Tag(
        "Datasets", "Rows and targets for jobs; immutable.",
        ("datasets", "put_dataset", "get_dataset", "delete_dataset"),
    ),
    Tag("Jobs", "Long trainings on a dataset.", ("fit", "jobs", "job", "events", "cancel")),
    Tag("Repository", "V2's model repository.", ("index", "load", "unload")),
    Tag("V1 protocol", "As TensorFlow Serving and KServe's V1 clients ask.", ("v1_index", "v1_ready", "v1_predict")),
    Tag("Statistics", "Since the server's start, over all processes.", ("statistics", "all_statistics", "metrics")),
    Tag("Server", "The server itself, and this page.", ("server", "live", "ready", "root", "openapi", "docs", "asset")),
)  # fmt: skip
ONE_VERSION = Tag("One version", "The same on one version, by its number or alias, instead of the newest.")


def tag(operation: Operation) -> Tag:
    return next(tag for tag in TAGS if operation.name in tag.operations)


def order(operation: Operation) -> tuple[int, int]:
    """Where an operation is shown."""
    of = tag(operation)
    return TAGS.index(of), of.operations.index(operation.name)
