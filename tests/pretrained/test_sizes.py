"""Position tables at another size of images."""

import torch
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from tlf.pretrained.sizes import one_size, reshaped, torchvision_resized


def vit(size):
    return VisionTransformer(size, 16, 2, 2, 8, 16)


def test_torchvisions_position_table_is_resized_as_torchvision_does_it():
    trained, at_48 = vit(32).state_dict(), vit(48)
    resized = torchvision_resized(at_48, trained)
    expected = interpolate_embeddings(48, 16, dict(trained))
    assert resized.keys() == expected.keys()
    assert all(torch.equal(resized[name], expected[name]) for name in expected)
    at_48.load_state_dict(resized)


def test_a_table_that_is_no_square_stays_as_it_is():
    trained = vit(32).state_dict()
    for odd in (torch.zeros(1, 4, 8), torch.zeros(2, 5, 8)):
        given = trained | {"encoder.pos_embedding": odd}
        assert torchvision_resized(vit(48), given)["encoder.pos_embedding"] is odd


def test_what_is_resized_is_noted_once_for_all():
    small, large = torch.zeros(4), torch.zeros(9)
    given = {"a": small, "b": small, "c": small, "rest": small}
    own = {"a": large, "b": large, "c": small, "new": large}
    assert reshaped(given, own, "as the library does it") == [
        "a is resized from (4) to (9), and 1 more alike, as the library does it"
    ]
    assert reshaped(given, given, "") == []
    count = "norm.num_batches_tracked"  # torch makes a number of it
    assert reshaped({count: torch.tensor([7])}, {count: torch.tensor(0)}, "") == []


def test_a_size_that_a_network_does_not_take_is_named():
    assert one_size(100, "odd").startswith("transforms.size must be a size that the model takes, ")
