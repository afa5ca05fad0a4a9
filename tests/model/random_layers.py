"""The pieces that random networks are made of: each draws its options and appends what fits."""

from typing import Any

from tests.model.sketch import Sketch

ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "softmax")
PIECES = (
    "conv", "conv", "depthwise", "residual", "concat", "batch_norm", "max_pool", "avg_pool", "dropout", "activation",
    "activation",
)  # fmt: skip
MOMENTS = 12  # values per channel that batch norm needs at least: with fewer its gradient is mostly cancellation


def body(sketch: Sketch, train: bool) -> None:
    """One piece on an image."""
    draw = sketch.draw
    piece = draw.among(PIECES)
    if piece == "conv":
        conv(sketch, groups=draw.among(divisors(sketch.shape[0])) if draw.chance(0.4) else 1)
    elif piece == "depthwise":
        conv(sketch, groups=sketch.shape[0])
    elif piece == "residual":
        residual(sketch)
    elif piece == "concat":
        concat(sketch)
    elif piece == "batch_norm":
        batch_norm(sketch, train)
    elif piece in ("max_pool", "avg_pool"):
        pool(sketch, piece + "2d")
    elif piece == "dropout":
        sketch.put("dropout", sketch.shape, p=draw.among((0.0, 0.1, 0.5)))
    else:
        activation(sketch)


def head(sketch: Sketch) -> dict[str, Any]:
    """From an image to logits [classes]; says the loss."""
    draw = sketch.draw
    if draw.chance(0.3) and not (sketch.batch < 4 and any(v["type"] == "batch_norm2d" for v in sketch.layers)):
        sketch.put("global_avg_pool", (sketch.shape[0], 1, 1))
    c, h, w = sketch.shape
    sketch.put("flatten", (c * h * w,))
    if draw.chance(0.5):
        linear(sketch, draw.whole(3, 9))
        if draw.chance(0.3):
            near = sketch.at
            linear(sketch, sketch.shape[0])
            if draw.chance(0.5):
                sketch.put("add", sketch.shape, sketch.at, near)
            else:
                sketch.put("concat", (2 * sketch.shape[0],), sketch.at, near)
        activation(sketch)
        if draw.chance(0.3):
            sketch.put("dropout", sketch.shape, p=0.25)
    linear(sketch, draw.whole(2, 6))
    if draw.chance(0.15):
        activation(sketch)
    name = draw.among(("cross_entropy", "mse", "bce_with_logits", "l1", "huber"))
    if name == "cross_entropy" and draw.chance(0.5):
        return {"name": name, "label_smoothing": 0.1}
    return {"name": name, "delta": draw.among((0.3, 1.0))} if name == "huber" else {"name": name}


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def both(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, list) else (value, value)


def extents(sketch: Sketch, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, int]:
    """(ho, wo) of a window over the image."""
    sizes = zip(sketch.shape[1:], both(kernel), both(stride), both(padding), both(dilation), strict=True)
    ho, wo = ((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in sizes)
    return ho, wo


def conv(sketch: Sketch, *, groups: int = 1) -> None:
    """Any window that leaves something; 1x1 where the draw does not fit."""
    draw, c = sketch.draw, sketch.shape[0]
    options = {
        "kernel_size": sketch.pair((1, 2, 3, 3, 5)),
        "stride": sketch.pair((1, 1, 2)),
        "padding": sketch.pair((0, 1, 2)),
        "dilation": sketch.pair((1, 1, 2)),
    }
    ho, wo = extents(sketch, *options.values())
    if min(ho, wo) < 1:
        options, (ho, wo) = {"kernel_size": 1}, sketch.shape[1:]
    bias = draw.chance(0.75)
    most = max(1, (4 if sketch.small else 8) // groups)
    out = groups * draw.whole(1, most)
    kernel = both(options["kernel_size"])
    name = sketch.put("conv2d", (out, ho, wo), out_channels=out, groups=groups, bias=bias, **options)
    sketch.weight(name, (out, c // groups, *kernel), bias=bias)


def same(sketch: Sketch, out: int) -> None:
    """A convolution that keeps height and width."""
    c, h, w = sketch.shape
    dilation, k = sketch.draw.among((1, 2)), sketch.draw.among((1, 3))
    options = {"kernel_size": k, "padding": dilation * (k // 2), "dilation": dilation}
    name = sketch.put("conv2d", (out, h, w), out_channels=out, **options)
    sketch.weight(name, (out, c, k, k), bias=True)


def residual(sketch: Sketch) -> None:
    """x + f(x), now and then x + f(x) + f(x)."""
    near, shape = sketch.at, sketch.shape
    same(sketch, shape[0])
    if sketch.draw.chance(0.5):
        activation(sketch)
    sketch.put("add", shape, sketch.at, near, *([sketch.at] if sketch.draw.chance(0.2) else []))


def concat(sketch: Sketch) -> None:
    """Two branches from one value, one after the other."""
    near, (c, h, w) = sketch.at, sketch.shape
    out = sketch.draw.whole(1, 3)
    same(sketch, out)
    sketch.put("concat", (c + out, h, w), *((near, sketch.at) if sketch.draw.chance(0.5) else (sketch.at, near)))


def batch_norm(sketch: Sketch, train: bool) -> None:
    draw, (c, h, w) = sketch.draw, sketch.shape
    if train and sketch.batch * h * w < MOMENTS:
        return activation(sketch)
    affine = draw.chance(0.75)
    options = {"eps": draw.among((1e-5, 1e-3)), "momentum": draw.among((0.1, 0.3, None)), "affine": affine}
    name = sketch.put("batch_norm2d", sketch.shape, **options)
    low = {"weight": 0.5, "bias": -0.5} if affine else {}
    for tensor, start in {**low, "running_mean": -0.5, "running_var": 0.5}.items():
        sketch.tensors[f"{name}.{tensor}"] = ((c,), start, start + 1.0)
    return None


def pool(sketch: Sketch, kind: str) -> None:
    """A window of 2 or 3; nothing where the image is too small."""
    draw, shape = sketch.draw, sketch.shape
    if min(shape[1:]) < 4:
        return activation(sketch)
    options: dict[str, Any] = {"kernel_size": sketch.pair((2, 3)), "padding": sketch.pair((0, 1))}
    if draw.chance(0.6):
        options["stride"] = sketch.pair((1, 2))
    if kind == "max_pool2d" and draw.chance(0.2):
        options["dilation"] = sketch.pair((1, 2))
    stride = options.get("stride", options["kernel_size"])
    ho, wo = extents(sketch, options["kernel_size"], stride, options["padding"], options.get("dilation", 1))
    if min(ho, wo) < 1:
        return activation(sketch)
    sketch.put(kind, (shape[0], ho, wo), **options)
    return None


def activation(sketch: Sketch) -> None:
    kind = sketch.draw.among(ACTIVATIONS)
    options = {"negative_slope": 0.2} if kind == "leaky_relu" and sketch.draw.chance(0.5) else {}
    sketch.put(kind, sketch.shape, **options)


def linear(sketch: Sketch, out: int) -> None:
    bias, (features,) = sketch.draw.chance(0.75), sketch.shape
    name = sketch.put("linear", (out,), out_features=out, bias=bias)
    sketch.weight(name, (out, features), bias=bias)
