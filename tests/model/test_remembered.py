"""Results that stay with an object."""

from dataclasses import dataclass, field

from convserve_model.remembered import remembered


@dataclass(frozen=True)
class Scale:
    factor: int
    asked: list[int] = field(default_factory=list, compare=False)

    @remembered
    def of(self, value: int) -> int:
        self.asked.append(value)
        return self.factor * value


def test_each_argument_is_worked_out_once_for_each_object() -> None:
    """Also zero; equal objects share nothing and stay equal."""
    one, two = Scale(2), Scale(2)
    assert [one.of(0), one.of(3), one.of(0), one.of(3), two.of(3)] == [0, 6, 0, 6, 6]
    assert (one.asked, two.asked) == ([0, 3], [3])
    assert one == two
