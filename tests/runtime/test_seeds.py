import torch

from tlf.runtime.seeds import derive, seeded


def test_seeds_differ_by_every_part_of_their_purpose():
    seeds = {
        derive(s, w, e, i) for s in range(3) for w in ("a", "b") for e in range(3) for i in range(3)
    }
    assert len(seeds) == 54
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_generator_is_restored_afterwards():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with seeded(7, "x"):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with seeded(7, "x"):
        assert torch.equal(torch.rand(2), first)
