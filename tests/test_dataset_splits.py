"""What a dataset builds."""

from tlf.components import Split, Splits


def test_splits_are_shown_by_their_numbers_of_images():
    train, evaluated = Split(("a", "b"), (0, 1), str.encode), Split(("c",), (0,), str.encode)
    assert repr(Splits(train, evaluated, ("x", "y"))) == (
        "Splits(Split(2 images), Split(1 images), ('x', 'y'))"
    )
    assert repr(Splits(train, evaluated, ("x", "y"), test=evaluated)).endswith(
        "test=Split(1 images))"
    )
