"""Log lines of every process, on standard error: JSON for machines, plain lines on a terminal.

A line is one line whatever was logged: control characters, line separators and direction marks are escaped, long
values are cut, and values under a name that means a secret are masked.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal

import structlog

Format = Literal["json", "console"]
FORMAT_VARIABLE: Final = "DOORWARD_LOG_FORMAT"
"""Environment variable that overrides the choice; the supervisor's children inherit it."""
VALUE_CHARACTERS: Final = 2048
"""Longest logged value; the rest is cut. An operator's message fits, a hostile header of a megabyte does not."""
_KEY_FILES: Final = ("authorization", "cookie", "password", "secret", "token", "api_key", "private", "credential")

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Event]


def configure(process: str, chosen: Format | None = None) -> None:
    """Set up structlog and the standard library's logging (uvicorn, asyncio) for this process.

    `process` (`supervisor`, `control`, `worker-0`) is on every line. Without `chosen`, the environment decides, then
    whether standard error is a terminal.
    """
    form = chosen or _format_from_environment()
    renderer: Callable[[Any, str, Event], str] = _console_line if form == "console" else _json_line
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(process),
        escape_and_mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # What these say at INFO we say ourselves (a fetch, a start), or nobody needs (a migration that is none).
    for name in ("httpx", "uvicorn", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def escape_and_mask(_logger: object, _method: str, event: Event) -> Event:
    """The event with every text printable and bounded, and every secret masked."""
    return {
        _printable(str(name)): "****" if _is_secret(str(name)) else _bounded(value) for name, value in event.items()
    }


def _format_from_environment() -> Format:
    chosen = os.environ.get(FORMAT_VARIABLE, "")
    if chosen == "json":
        return "json"
    return "console" if chosen == "console" or sys.stderr.isatty() else "json"


def _named(process: str) -> Processor:
    def add_process(_logger: object, _method: str, event: Event) -> Event:
        event["process"] = process
        return event

    return add_process


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _KEY_FILES)


def _bounded(value: object) -> object:
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    # The record object of the standard library travels in the event until the formatter takes it out.
    if isinstance(value, logging.LogRecord):
        return value
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}... ({len(text)} characters)"
    return _printable(cut)


def _printable(text: str) -> str:
    r"""The text with everything escaped that is not a letter, a mark, a sign or a plain space.

    >>> _printable("caf\u00e9\x1b[31m\r\n\u202e")
    'café\\x1b[31m\\r\\n\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _json_line(_logger: object, _method: str, event: Event) -> str:
    return json.dumps(event, default=str)


def _console_line(_logger: object, _method: str, event: Event) -> str:
    event = dict(event)
    time, level, process = (event.pop(name, "") for name in ("timestamp", "level", "process"))
    message = event.pop("event", "")
    facts = " ".join(f"{name}={value}" for name, value in event.items())
    return f"{time} {level:<8} {process}: {message} {facts}".rstrip()
