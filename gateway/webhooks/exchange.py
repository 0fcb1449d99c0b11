"""One request and its answer on an open connection: little of it is read, and everything has an end."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import h11

from gateway.ports import Clock

ANSWER_BYTES_MAX: Final = 16_384
"""Of an answer, its head included, that are read. What counts is the status; a person may look at the first lines."""
EXCERPT_BYTES: Final = 1_000
"""Of an answer's body that are kept for whoever looks after the endpoint."""
BODY_SECONDS_MAX: Final = 2.0
"""For the body once the head is there: the status has told everything, and a dripping receiver holds a thread."""
READ_BYTES: Final = 4_096


class UnansweredError(Exception):
    """No head of an answer came. `untouched` tells that the connection had ended before it carried a byte of one."""

    def __init__(self, word: str, *, untouched: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.untouched = untouched


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers, names in lower case. Of a repeated header the last one stays."""

    status: int
    headers: Mapping[str, str]


class Exchange:
    """One request and one answer."""

    def __init__(self, stream: socket.socket, *, clock: Clock, deadline: float) -> None:
        self._stream = stream
        self._clock = clock
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_BYTES_MAX)
        self._read_bytes = 0

    def ask(self, path: str, *, headers: list[tuple[str, str]], body: bytes) -> Head:
        """POST, and read the head of the answer. Raises UnansweredError."""
        try:
            parts = [
                self._http.send(h11.Request(method="POST", target=path, headers=headers)),
                self._http.send(h11.Data(data=body)),
                self._http.send(h11.EndOfMessage()),
            ]
        except h11.LocalProtocolError as error:
            raise UnansweredError("headers") from error
        try:
            self._write(b"".join(part for part in parts if part))
            return self._head()
        except TimeoutError as error:
            raise UnansweredError("timeout") from error
        except OSError as error:
            raise UnansweredError("reset", untouched=not self._read_bytes) from error
        except h11.RemoteProtocolError as error:
            raise UnansweredError("protocol", untouched=not self._read_bytes) from error

    def excerpt(self) -> bytes:
        """The beginning of the body, as it came. Whatever ends it early ends it."""
        self._deadline = min(self._deadline, self._clock.monotonic() + BODY_SECONDS_MAX)
        body = bytearray()
        try:
            while isinstance(event := self._event(), h11.Data):
                body += event.data[: EXCERPT_BYTES - len(body)]
        except (OSError, h11.RemoteProtocolError, UnansweredError):
            pass  # the status has been read, and it decides
        return bytes(body)

    @property
    def is_whole(self) -> bool:
        """Whether the answer was read to its end and the connection can carry another."""
        more, _ = self._http.trailing_data
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE and not more

    def _head(self) -> Head:
        while True:
            event = self._event()
            if isinstance(event, h11.Response):
                named = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                return Head(event.status_code, named)
            if not isinstance(event, h11.InformationalResponse):
                raise UnansweredError("protocol", untouched=not self._read_bytes)

    def _event(self) -> h11.Event:
        while not isinstance(event := self._http.next_event(), h11.Event):
            if event is h11.PAUSED:  # it speaks on where an answer has ended
                raise UnansweredError("protocol")
            self._http.receive_data(self._read())
        return event

    def _read(self) -> bytes:
        room = ANSWER_BYTES_MAX - self._read_bytes
        if room <= 0:
            raise UnansweredError("too-long")
        self._stream.settimeout(self._left())
        data = self._stream.recv(min(room, READ_BYTES))
        self._read_bytes += len(data)
        return data

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._stream.settimeout(self._left())
            rest = rest[self._stream.send(rest) :]

    def _left(self) -> float:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
