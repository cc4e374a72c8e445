from types import SimpleNamespace

import pytest

from tlf.runtime.ahead import ahead, sent


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("by", range(4))
def test_every_item_comes_in_order_and_so_many_are_begun(count, by):
    begun = []
    found = ahead((begun.append(n) or n for n in range(count)), by)
    for number in range(count):
        assert next(found) == number
        assert len(begun) == min(count, number + 1 + by)
    assert not [*found]


def test_an_error_comes_where_it_happens():
    def items():
        yield 0
        raise OSError("it was removed")

    with pytest.raises(OSError, match="it was removed"):
        next(ahead(items()))


@pytest.mark.parametrize(("kind", "lets"), [("cuda", True), ("mps", False), ("cpu", False)])
def test_only_cuda_keeps_what_it_has_not_copied_yet(kind, lets):
    asked = []
    tensor = SimpleNamespace(to=lambda device, *, non_blocking: asked.append(non_blocking))
    sent(tensor, SimpleNamespace(type=kind))
    assert asked == [lets]
