"""`python -m convserve_service` is the command `convserve`."""

from convserve_service.cli import main

main(prog_name="convserve")
