"""`python -m convserve_service` is the command `convserve`."""

from convserve_service import memory

with memory.keep_made():
    from convserve_service.cli import main

if __name__ == "__main__":
    main(prog_name="convserve")
