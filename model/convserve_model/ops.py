"""One step of a program."""

from typing import Any, cast

from convserve_model.calls import make
from convserve_model.protocols import Kernel, Packed, Packing, Params, Reduced
from convserve_model.values import dataclass


@dataclass(frozen=True)
class Op:
    """One kernel in its place: what it reads, where its result goes, what backward needs of it."""

    kernel: Kernel
    inputs: tuple[str, ...]
    output: str
    layer: str
    index: int  # the layer's position, for random numbers
    params: tuple[tuple[str, str], ...]  # (the kernel's name, the full name)
    followers: tuple["Op", ...] = ()  # whose kernels this op's kernel runs on its result
    need: tuple[bool, ...] = ()
    need_params: bool = False
    overwrite: bool = False  # the first operand may be overwritten
    spend: bool = False  # the gradient of the result is nobody else's
    last_use: tuple[str, ...] = ()  # values that nobody reads after it

    @property
    def reduced(self) -> Reduced | None:
        return cast(Reduced, self.kernel) if getattr(self.kernel, "reduced", False) else None

    @property
    def packs(self) -> bool:
        return hasattr(self.kernel, "pack")

    def own(self, tensors: Params) -> dict[str, Any]:
        """The kernel's parameters and buffers out of all."""
        return {short: tensors[full] for short, full in self.params}

    def weights(self, tensors: Params) -> Params:
        """What the kernel computes with: its own parameters and buffers, packed if it likes."""
        params, calls, backward = self.packed(self.own(tensors), tensors, moves=False)
        make([*calls, *backward])
        return params

    def packed(self, own: Params, tensors: Params, *, moves: bool) -> Packed:
        """The same once the calls are made, which read its `own` only, not those of followers; see `Packing`."""
        packed = Packed(own, [])
        if self.packs:
            packed = cast(Packing, self.kernel).pack(own, need=any(self.need), moves=moves)
        if self.followers:
            followers = [follower.weights(tensors) for follower in self.followers]
            packed = packed._replace(params={**packed.params, "followers": followers})
        return packed
