"""Without PyTorch there is nothing to compare with: `make oracle` installs it."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]

if find_spec("torch"):
    import torch

    torch.set_num_threads(1)  # several processes test at once, and its threads would spin for the same cores
