"""The mean of weights, to the last bit."""

import numpy as np
import pytest
import torch

from tensors import same
from tlf.errors import WeightsError
from tlf.studies.soup.average import Average


def models(count, dtype=torch.float32, size=500):
    random = torch.Generator().manual_seed(count)
    return [{"a": torch.randn(size, generator=random, dtype=torch.float64).to(dtype)}
            for _ in range(count)]  # fmt: skip


def mean(given):
    average = Average(given[0])
    for model in given[1:]:
        average.add(model)
    return average.mean()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_it_is_rounded_once(dtype, count):
    given = models(count, dtype)
    exact = np.stack([model["a"].double().numpy() for model in given]).astype(np.longdouble).mean(0)
    wanted = torch.from_numpy(exact.astype(np.float64)).to(dtype)
    limit = torch.finfo(torch.float64).eps * 8 if dtype == torch.float64 else 0
    assert torch.allclose(mean(given)["a"], wanted, rtol=limit, atol=limit)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_what_is_the_same_in_all_models_stays_as_it_is(dtype):
    (one,) = models(1, dtype, size=5000)
    assert same(mean([one] * 7), one)


def test_a_candidate_is_not_added():
    one, two, three = models(3)
    average = Average(one)
    average.add(two)
    assert same(average.mean(three), mean([one, two, three]))
    assert same(average.mean(), mean([one, two]))
    assert average.models == 2


def test_counters_are_rounded_and_other_whole_numbers_stay():
    one = {"bn.num_batches_tracked": torch.tensor(4), "index": torch.arange(3)}
    other = one | {"bn.num_batches_tracked": torch.tensor(9)}
    found = mean([one, other, other])
    assert same(found, one | {"bn.num_batches_tracked": torch.tensor(7)})
    assert found["bn.num_batches_tracked"].dtype == torch.int64
    with pytest.raises(WeightsError, match=r"index must be the same in all runs, as torch\.int64"):
        mean([one, one | {"index": torch.arange(3) + 1}])
    with pytest.raises(WeightsError, match="index must be the same"):
        Average(one).mean(one | {"index": torch.arange(3) + 1})
