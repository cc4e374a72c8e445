from tlf.components import Augmentation, BatchAugmentation, Split


def test_a_split_is_as_long_as_its_names():
    split = Split(("a.jpg", "b.jpg"), (0, 1), lambda index: b"ab"[index : index + 1])
    assert len(split) == 2
    assert b"".join(map(split.read, range(len(split)))) == b"ab"


def test_augmentations_of_images_and_of_batches_differ_by_their_method():
    class Flip:
        def augment(self, image, size):
            return image

    class Mix:
        def mix(self, images, targets):
            return images, targets

    for component, kind, other in (
        (Flip(), Augmentation, BatchAugmentation),
        (Mix(), BatchAugmentation, Augmentation),
    ):
        assert isinstance(component, kind)
        assert not isinstance(component, other)
