"""How many images each class has, and how many there are in all."""


class ClassCounts(list[int]):
    """The number of images of each class. Where an image has several classes, or none, they do not
    add up to ``images``.

    >>> ClassCounts([3, 1], images=10)[0], ClassCounts([3, 1]).images
    (3, 4)
    """

    def __init__(self, counts: "list[int] | tuple[int, ...]", images: int | None = None) -> None:
        """Images of each class; of all of them, where each has one class, unless it is said."""
        super().__init__(counts)
        self.images = sum(counts) if images is None else images
