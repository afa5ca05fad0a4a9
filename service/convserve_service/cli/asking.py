"""Commands that are clients of a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from convserve_client import Client

API_KEY = "api_key"


def URL(command: Any) -> Any:
    """The options of every command that asks a service."""
    url = click.option(
        "--url",
        envvar="CONVSERVE_URL",
        default="http://127.0.0.1:8000",
        show_default=True,
        help="Where the service is.",
    )
    api_key = click.option(
        "--api-key",
        envvar="CONVSERVE_API_KEY",
        expose_value=False,
        callback=lambda context, option, value: context.meta.update({API_KEY: value}),
        help="Your API key; better in the environment, for others see a command's options.  [env: CONVSERVE_API_KEY]",
    )
    return url(api_key(command))


DATA = click.option(
    "--data", default="digits", show_default=True, help="An .npz file with arrays x and y, or the sample digits."
)


@contextmanager
def failures() -> Iterator[None]:
    """Errors of the client and of files as one line and a status of 1."""
    from convserve_client import ConvserveError

    try:
        yield
    except (ConvserveError, OSError, KeyError, ValueError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def connect(url: str) -> Iterator[Client]:
    """A client of the service."""
    from convserve_client import Client

    with failures(), Client(url, api_key=click.get_current_context().meta.get(API_KEY)) as client:
        yield client


def load(data: str, part: str) -> tuple[Any, Any]:
    """Arrays x and y of an .npz file; or the digits to train or to test with."""
    import numpy as np

    from convserve_client import samples

    if data == "digits":
        digits = samples.digits()
        return getattr(digits, f"{part}_images"), getattr(digits, f"{part}_labels")
    with failures(), np.load(data, allow_pickle=False) as arrays:
        return arrays["x"], arrays["y"]


@click.command()
@click.argument("name")
@click.argument("architecture")
@click.option(
    "--training",
    type=json.loads,
    metavar="JSON",
    help='Loss, optimizer, schedule: \'{"optimizer": {"name": "adam"}}\'.',
)
@click.option(
    "--preprocess", type=json.loads, metavar="JSON", help='How pictures become numbers: \'{"mean": 0.5, "std": 0.5}\'.'
)
@click.option("--labels", help="Names of the classes, with commas between them.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first weights.")
@URL
def create(
    url: str, name: str, architecture: str, training: Any, preprocess: Any, labels: str | None, seed: int
) -> None:
    """Create a model.

    ARCHITECTURE is a template (lenet5, mnist-cnn, simple-cnn) or a JSON file.
    """
    named = labels.split(",") if labels else None
    with connect(url) as client:
        described = json.loads(Path(architecture).read_text()) if architecture.endswith(".json") else architecture
        model = client.create(name, described, training=training, preprocess=preprocess, labels=named, seed=seed)
        click.echo(f"{name} has {model.architecture()['parameters']:,} parameters and is at version 1")


@click.command(name="list")
@URL
def list_models(url: str) -> None:
    """List the models."""
    with connect(url) as client:
        for entry in client.models():
            click.echo(f"{entry['name']:<24} version {entry['version']:>6}  {entry['state'].lower()}")


@click.command()
@click.argument("name")
@click.option("--limit", type=int, default=20, show_default=True, help="How many, newest first.")
@URL
def versions(url: str, name: str, limit: int) -> None:
    """Show the history of a model."""
    with connect(url) as client:
        click.echo(f"version  {'verb':<8} {'step':>9}  {'loss':<8} created")
        for row in client.model(name).versions(limit=limit):
            loss = "" if row.loss is None else f"{row.loss:.4f}"
            names = " ".join(row.aliases)
            click.echo(f"{row.version:>7}  {row.verb:<8} {row.step:>9}  {loss:<8} {row.created}  {names}".rstrip())


@click.command()
@click.argument("name")
@DATA
@click.option("--epochs", type=int, default=1, show_default=True)
@click.option("--batch-size", type=int, default=64, show_default=True)
@click.option("--steps-per-request", type=int, default=10, show_default=True, help="Steps that commit together.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of the rows.")
@URL
def train(url: str, name: str, data: str, epochs: int, batch_size: int, steps_per_request: int, seed: int) -> None:
    """Train a model, request by request."""
    x, y = load(data, "train")
    with connect(url) as client:
        made = client.model(name).train(
            x, y, epochs=epochs, batch_size=batch_size, steps_per_request=steps_per_request, shuffle_seed=seed,
            progress=True,
        )  # fmt: skip
        click.echo(f"{name} is at version {made.version}, step {made.step}, loss {made.losses[-1]:.4f}")


@click.command()
@click.argument("name")
@DATA
@click.option("--dataset", help="A stored dataset, instead of --data.")
@click.option("--epochs", type=int, default=1, show_default=True)
@click.option("--batch-size", type=int, default=64, show_default=True)
@click.option("--commit-every", type=int, default=100, show_default=True, help="Steps that commit together, at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of the rows.")
@URL
def fit(
    url: str, name: str, data: str, dataset: str | None, epochs: int, batch_size: int, commit_every: int, seed: int
) -> None:
    """Train a model as a job of the service.

    The job goes on when you leave, and when the service restarts.
    """
    x, y = (None, None) if dataset else load(data, "train")
    with connect(url) as client, leaving():
        made = client.model(name).fit(
            x, y, dataset=dataset, epochs=epochs, batch_size=batch_size, commit_every=commit_every, shuffle_seed=seed,
            progress=True,
        )  # fmt: skip
        click.echo(f"{name} is at version {made.version}, step {made.step}, loss {made.losses[-1]:.4f}")


@contextmanager
def leaving() -> Iterator[None]:
    """Ctrl-C ends the watching, and says what becomes of the job that was watched."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if stop.args:
            click.echo("\nthe job goes on by itself; `convserve jobs` shows it, `convserve cancel` ends it", err=True)
        raise


@click.command()
@URL
def jobs(url: str) -> None:
    """List the jobs, newest first."""
    with connect(url) as client:
        for job in client.jobs():
            loss = "" if job.loss is None else f"loss {job.loss:.4f}"
            click.echo(
                f"{job.job:>5}  {job.model_name:<24} {job.state:<10} step {job.step} of {job.steps}  {loss}".rstrip()
            )


@click.command()
@click.argument("job")
@URL
def cancel(url: str, job: str) -> None:
    """End a job at its next step.

    What it has committed stays.
    """
    with connect(url) as client:
        client.job(job).cancel()
        click.echo(f"job {job} is {client.job(job).status().state}")


@click.command()
@click.argument("name")
@DATA
@URL
def evaluate(url: str, name: str, data: str) -> None:
    """Show loss and accuracy of a model."""
    x, y = load(data, "test")
    with connect(url) as client:
        judged = client.model(name).evaluate(x, y)
        accuracy = "" if judged.accuracy is None else f", accuracy {judged.accuracy:.2%}"
        click.echo(f"version {judged.version}: loss {judged.loss:.4f}{accuracy} on {judged.count} rows")


@click.command()
@click.argument("name")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--top-k", type=int, default=1, show_default=True, help="How many classes to show.")
@URL
def predict(url: str, name: str, pictures: tuple[str, ...], top_k: int) -> None:
    """Say what PNG or JPEG pictures show."""
    with connect(url) as client:
        for file, prediction in zip(pictures, client.model(name).predict(list(pictures), top_k=top_k), strict=True):
            click.echo(f"{file}: {', '.join(map(str, prediction.top))}")


@click.command()
@click.argument("name")
@click.argument("picture", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--method",
    default="integrated_gradients",
    show_default=True,
    help="Or saliency, input_x_gradient, smoothgrad, grad_cam.",
)
@click.option("--target", type=int, help="The class that is asked about; by default the most probable one.")
@click.option("--out", default="map.png", show_default=True, type=click.Path(dir_okay=False), help="The heat map.")
@URL
def explain(url: str, name: str, picture: str, method: Any, target: int | None, out: str) -> None:
    """Draw what a prediction rests on, as a heat map over a PNG or JPEG picture."""
    with connect(url) as client:
        Path(out).write_bytes(client.model(name).heatmap(picture, method=method, target=target))
        click.echo(f"{out} shows what {name} goes by in {picture}")
