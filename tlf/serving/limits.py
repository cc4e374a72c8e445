"""What a request may ask for. Each limit has a status of its own (``tlf.serving.refusals``)."""

from dataclasses import dataclass, fields

from tlf.errors import RunError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class ServingLimits:
    """What ``tlf serve`` accepts.

    Raises:
        RunError: a limit is not above 0.
    """

    body: int = 32 * MEGABYTE
    """Bytes of a request."""
    pixels: int = 50_000_000
    """Width × height of an image, as its file says it. Pillow refuses more than 179 million."""
    images: int = 32
    """Images of a request."""
    queue: int = 64
    """Requests that are classified or wait for it."""
    seconds: float = 10.0
    """How long a request may take to arrive, and then to be answered."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not (value := getattr(self, field.name)) > 0:
                raise RunError(
                    f"{field.name} must be above 0, got {value}; leave it out for {field.default}"
                )

    @property
    def held(self) -> int:
        """Bytes of all requests that are arriving: slow ones together hold no more."""
        return 8 * self.body
