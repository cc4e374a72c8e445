"""Forms with files (``multipart/form-data``), taken apart as they arrive."""

import logging
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tlf.serving.models import Upload
from tlf.serving.refusals import RefusedError

FIELDS = 100
"""Fields of a form that are no files, at most; they are ignored."""

# Else its warnings about forms are lines on stderr that anybody can cause.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())


@dataclass
class Part:
    """A field of a form."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str | None = None
    """Of its file; None: it is none."""
    data: bytearray = field(default_factory=bytearray)


class Form:
    """A form of which more and more arrives."""

    def __init__(self, content_type: str, most_files: int) -> None:
        """Begin.

        Parameters:
            content_type: the header, which has the boundary.
            most_files: how many files it may have.

        Raises:
            RefusedError: it has no boundary.
        """
        self._most = most_files
        self._parts: list[Part] = []
        self._header, self._value = b"", b""
        self._whole = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise _broken("Content-Type must have a boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._in_header,
                    "on_header_value": self._in_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._in_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from error

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            RefusedError: they are no form, or it has too many files.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken(str(error)) from error

    def files(self) -> list[Upload]:
        """All files, in order.

        Raises:
            RefusedError: the form has not ended.
        """
        if not self._whole:
            raise _broken("it ends early")
        # A browser sends an empty file without a name where nobody has chosen one.
        return [
            Upload(part.name or None, bytes(part.data))
            for part in self._parts
            if part.name or (part.name is not None and part.data)
        ]

    def _begin(self) -> None:
        self._parts.append(Part())
        if len(self._parts) > self._most + FIELDS:
            raise self._too_many()

    def _in_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _in_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._parts[-1].headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        part = self._parts[-1]
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        if b"name" not in options:
            raise _broken("each part must have a Content-Disposition with a name")
        if (name := options.get(b"filename")) is not None:
            part.name = name.decode("utf-8", "replace")
        if sum(one.name is not None for one in self._parts) > self._most:
            raise self._too_many()

    def _in_data(self, data: bytes, start: int, end: int) -> None:
        if self._parts[-1].name is not None:
            self._parts[-1].data += data[start:end]

    def _end(self) -> None:
        self._whole = True

    def _too_many(self) -> RefusedError:
        return RefusedError(
            400, "too-many-images",
            f"a request must hold at most {self._most} images, got more; send several requests",
        )  # fmt: skip


def _broken(reason: str) -> RefusedError:
    message = f"the form must be multipart/form-data, got what cannot be read: {reason}"
    return RefusedError(400, "bad-form", f"{message}; write, for example: curl -F image=@ant.jpg")
