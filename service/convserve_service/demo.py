"""The demonstration: a service learns real handwritten digits over HTTP, and shows what it thinks."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from convserve_client import Client, Model
from convserve_client.architectures import lenet5
from convserve_client.pictures import png
from convserve_client.samples import Digits, digits, seven
from convserve_service import terminal

NAME = "digits"
BATCH = 64
STEPS_PER_REQUEST = 10
SHOWN = 4
START_SECONDS = 30.0
PREPROCESS = {"mean": 0.1307, "std": 0.3081}


def show(*, seed: int, epochs: int) -> None:
    """All of it on a free port and in a temporary folder, and nothing left behind."""
    with tempfile.TemporaryDirectory(prefix="convserve-") as folder:
        data_dir = Path(folder)
        with _service(data_dir, 0) as (url, _), Client(url) as client:
            click.echo(f"convserve runs at {url}, data in {data_dir}")
            model, data = _learn(client, seed, epochs)
            _look(model, data, data_dir)
            _judge(model, data)
        click.echo("stopped cleanly")


def keep(*, seed: int, epochs: int, port: int, data_dir: Path) -> None:
    """Train the digits model where it is not there yet, then serve until Ctrl-C."""
    with _service(data_dir, port) as (url, process), Client(url) as client:
        if NAME in {entry["name"] for entry in client.models()}:
            model = client.model(NAME)
        else:
            model, _ = _learn(client, seed, epochs)
        _judge(model, digits())
        click.echo(f"serving {model.name} at {url}; try:\n")
        click.echo(f"  curl -H 'Content-Type: image/png' --data-binary @{seven()} {url}/v2/models/{NAME}/predict\n")
        click.echo("Ctrl-C stops it.")
        process.wait()


@contextmanager
def _service(data_dir: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`convserve serve` as a process of its own: its address, until the block ends and it has stopped."""
    options = ["--port", str(port), "--data-dir", str(data_dir), "--drain-seconds", "0"]
    command = [sys.executable, "-m", "convserve_service", "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    killer = threading.Timer(START_SECONDS, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        killer.cancel()
        if " is ready at " not in line:
            raise OSError("the service did not start; its messages are above")
        yield line.split(" is ready at ")[1].split()[0], process
    except KeyboardInterrupt:
        click.echo()
    finally:
        killer.cancel()
        process.send_signal(signal.SIGTERM)
        process.wait()


def _learn(client: Client, seed: int, epochs: int) -> tuple[Model, Digits]:
    data = digits()
    steps = epochs * -(-len(data.train_labels) // BATCH)
    training = {
        "optimizer": {"name": "adam", "learning_rate": 2e-3},
        "schedule": {"name": "cosine", "t_max": steps, "warmup_steps": 50},
    }
    labels = [str(digit) for digit in range(10)]
    model = client.create(NAME, lenet5(), labels=labels, preprocess=PREPROCESS, training=training, seed=seed)
    count = model.architecture()["parameters"]
    click.echo(f"a LeNet-5 of {count:,} parameters learns {len(data.train_labels):,} digits, {epochs} times over HTTP")
    started = time.perf_counter()
    made = model.train(
        data.train_images, data.train_labels, epochs=epochs, batch_size=BATCH, shuffle_seed=seed,
        steps_per_request=STEPS_PER_REQUEST, progress=True,
    )  # fmt: skip
    elapsed = time.perf_counter() - started
    speed = epochs * len(data.train_labels) / elapsed
    click.echo(
        f"version {made.version} after {made.step} steps: loss {made.losses[:10].mean():.3f} ->"
        f" {made.losses[-10:].mean():.3f}, {speed:,.0f} images/s, each version durable"
    )
    return model, data


def _look(model: Model, data: Digits, folder: Path) -> None:
    """Post PNG files as a person would, and show them with what the model thinks; then where one pixel matters."""
    files = []
    for at in range(SHOWN):
        file = folder / f"digit-{at}.png"
        file.write_bytes(png(data.test_images[at]))
        files.append(str(file))
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    click.echo(f"\n{SHOWN} test digits as PNG files, and what the model thinks:\n")
    click.echo(
        "\n".join(terminal.beside(*(terminal.grey(data.test_images[at][0] / 255, color=color) for at in range(SHOWN))))
    )
    captions = [
        f"{prediction} (is {label})" for prediction, label in zip(model.predict(files), data.test_labels, strict=False)
    ]
    click.echo("   ".join(caption.center(28) for caption in captions) + "\n")
    at = 0
    found = model.gradients(data.test_images[at : at + 1], data.test_labels[at : at + 1], outputs=["loss", "grad/x"])
    assert found.x is not None
    click.echo(f"which pixels move the loss of the first one (the gradient of its input; loss {found.loss:.4f}):\n")
    click.echo("\n".join(terminal.signed(found.x[0, 0], color=color)) + "\n")


def _judge(model: Model, data: Digits) -> None:
    judged = model.evaluate(data.test_images, data.test_labels)
    assert judged.accuracy is not None
    click.echo(f"test accuracy: {100 * judged.accuracy:.2f} % on {judged.count:,} digits it never saw")
