"""The command line: the service, clients of one, and what an operator does to a data directory."""

import click

from convserve_service.cli import asking, keys, operating, running
from convserve_service.release import VERSION


@click.group()
@click.version_option(VERSION)
def main() -> None:
    """Serve and train convolutional neural networks over HTTP."""


for command in (
    running.serve,
    running.demo,
    asking.create,
    asking.list_models,
    asking.versions,
    asking.train,
    asking.fit,
    asking.jobs,
    asking.cancel,
    asking.evaluate,
    asking.predict,
    asking.explain,
    operating.replay,
    operating.verify,
    operating.doctor,
    operating.acknowledge,
    keys.keys,
):
    main.add_command(command)
