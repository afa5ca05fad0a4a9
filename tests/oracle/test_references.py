"""The stored answers are what PyTorch says today."""

import numpy as np
import pytest

from tests.model.references import PATH, stored
from tests.oracle.write_references import references

pytestmark = pytest.mark.oracle


def test_the_file_is_what_the_script_would_write() -> None:
    """The same keys, and values equal to 1e-12 (summation order is PyTorch's own affair)."""
    fresh = references()
    assert list(fresh) == list(stored())
    for key, value in fresh.items():
        np.testing.assert_allclose(stored()[key], value, rtol=1e-10, atol=1e-12, err_msg=key)


def test_the_file_is_small() -> None:
    """At most 1.5 MB."""
    assert PATH.stat().st_size <= 1_500_000
