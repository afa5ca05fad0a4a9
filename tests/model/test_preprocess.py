"""From pictures' bytes to the network's input."""

from typing import Any

import numpy as np
import pytest

from convserve_model import InputError, OptionError, Preprocess


def test_bytes_are_scaled_and_normalized() -> None:
    """(pixel * scale - mean) / std for each channel, float32."""
    spec = {"mean": [0.5, 0.25, 0.0], "std": [0.5, 0.25, 2.0]}
    x = np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1)
    found = Preprocess.from_dict(spec, channels=3).normalize(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.reshape(-1), [-1.0, (0.2 - 0.25) / 0.25, 0.5], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_are_taken_as_they_are(kind: Any) -> None:
    """Only the dtype changes."""
    x = np.array([-1.5, 0.0, 3.0], kind).reshape(1, 3, 1, 1)
    found = Preprocess.from_dict({"mean": 0.5}, channels=3).normalize(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("x", [np.array([1e39]), np.array([1]), np.array([True])])
def test_what_is_not_a_picture_is_refused(x: Any) -> None:
    """Overflow of float32, and other types."""
    with pytest.raises(InputError) as caught:
        Preprocess.from_dict({}, channels=1).normalize(x.reshape(1, 1, 1, 1))
    assert caught.value.where == "x"


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"colour": "L"}, 1, "preprocess"),
    ({"color": "RGB"}, 1, "color"),
    ({"color": "L"}, 3, "color"),
    ({"color": "L"}, 2, "color"),
    ({"resize": "crop"}, 1, "resize"),
    ({"scale": 0}, 1, "scale"),
    ({"mean": [0.1, 0.2]}, 3, "mean"),
    ({"mean": float("nan")}, 1, "mean"),
    ({"std": [1.0, 0.0, 1.0]}, 3, "std"),
    ({"invert": 1}, 1, "invert"),
]


@pytest.mark.parametrize(("spec", "channels", "where"), BAD)
def test_bad_options_are_refused_where_they_are(spec: dict[str, Any], channels: int, where: str) -> None:
    """`where` is the field."""
    with pytest.raises(OptionError) as caught:
        Preprocess.from_dict(spec, channels=channels)
    assert caught.value.where == where


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_json_form_round_trips(channels: int) -> None:
    """A number for mean or std means every channel; the color follows from the channels."""
    made = Preprocess.from_dict({"mean": 0.5, "std": 0.25, "resize": "fit"}, channels=channels)
    assert made.mean == (0.5,) * channels
    assert made.color == {1: "L", 3: "RGB"}.get(channels)
    assert Preprocess.from_dict(made.to_dict(), channels=channels) == made
