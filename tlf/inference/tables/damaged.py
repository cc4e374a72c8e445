"""What is wrong with a table of predictions."""


class Damaged(Exception):  # noqa: N818 - who reads the table says which line it is
    """The values of an image contradict each other. ``image``: its number."""

    def __init__(self, image: int, told: str) -> None:
        super().__init__(told)
        self.image = image
