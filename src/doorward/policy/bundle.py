"""An OpenAPI document and the local files it refers to, as one document. Nothing is ever fetched."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from doorward.errors import PolicyError
from doorward.policy import pointer as json_pointer
from doorward.policy.yaml_text import Text, read_json, read_yaml

DOCUMENT_BYTES: Final = 64 << 20
"""Largest file of an API description, in bytes. The largest public ones hold some 30 MB."""
FILES: Final = 1_000
"""Most files one description may consist of."""
FILES_KEY: Final = "x-doorward-files"
"""Where the bundled document keeps the other files; every `$ref` to a file points in there."""
_ALIASED_VALUES: Final = 100_000
"""How many more values aliases may make of a text than it has characters."""
_NO_REFERENCES: Final = frozenset({"example", "examples", "enum", "const", "default", FILES_KEY})
_NAMED: Final = frozenset(
    {
        *("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas", "responses"),
        *("parameters", "requestBodies", "headers", "securitySchemes", "links", "callbacks", "pathItems", "paths"),
        *("content", "encoding", "variables"),
    }
)
"""Members whose own members are names given by the author: `default` among them is no keyword."""


class Bundle:
    """The document, and where each part of it was written."""

    def __init__(self, path: Path) -> None:
        """Errors: PolicyError for a file that cannot be read, and for a `$ref` that leaves the local files."""
        self.root = path.resolve()
        self.shown = str(path)
        self._contents: dict[Path, bytes] = {}
        self._names: dict[Path, str] = {}
        files: dict[str, Any] = {}
        self.document = self._load(self.root)
        waiting: list[Path] = []
        self._rewrite(self.document, self.root, waiting, "#")
        while waiting:
            other = waiting.pop()
            name = self._names[other]
            content = self._load(other)
            files[name] = content
            self._rewrite(content, other, waiting, json_pointer.joined("#", FILES_KEY, name))
        if files:
            self.document[FILES_KEY] = files

    def located(self, error: PolicyError) -> PolicyError:
        """The mistake with file and line filled in from the pointer in its key."""
        if error.file or not error.key.startswith("#"):
            return error.at(file=self.shown)
        path, place = self.root, json_pointer.place(self.document, error.key)
        if len(place) > 1 and place[0] == FILES_KEY:
            path = next(known for known, name in self._names.items() if name == place[1])
            place = place[2:]
        shown = self.shown if path == self.root else str(path)
        return error.at(file=shown, line=self._lines(path).line(place))

    def _lines(self, path: Path) -> Text:
        # JSON is read as YAML only now, when a mistake needs its line: far slower, but it knows the lines.
        try:
            return read_yaml(
                self._contents[path].decode("utf-8-sig"),
                str(path),
                aliases=True,
                values=_ALIASED_VALUES + len(self._contents[path]),
            )
        except (PolicyError, UnicodeDecodeError):
            return Text(None, {})

    def _load(self, path: Path) -> dict[str, Any]:
        shown = self.shown if path == self.root else str(path)
        try:
            with path.open("rb") as stream:
                content = stream.read(DOCUMENT_BYTES + 1)
        except OSError as error:
            problem = f"the API description cannot be read: {(error.strerror or str(error)).lower()}"
            raise PolicyError(problem, key="api", file=shown) from None
        if len(content) > DOCUMENT_BYTES:
            raise PolicyError(f"is larger than {DOCUMENT_BYTES} bytes", file=shown)
        self._contents[path] = content
        data = _data(content, shown)
        if not isinstance(data, dict):
            hint = "it starts with `openapi: 3.1.0`"
            raise PolicyError("is not an API description", file=shown, line=1, hint=hint)
        return data

    def _rewrite(self, root: dict[str, Any], path: Path, waiting: list[Path], prefix: str) -> None:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            value, named = stack.pop()
            if isinstance(value, list):
                stack.extend((item, False) for item in value)
            elif isinstance(value, dict):
                reference = value.get("$ref")
                if isinstance(reference, str) and not named:
                    value["$ref"] = self._bundled(reference, path, waiting, prefix)
                stack.extend(
                    (item, key in _NAMED and not named)
                    for key, item in value.items()
                    if named or not (key in _NO_REFERENCES or key.startswith("x-"))
                )

    def _bundled(self, reference: str, path: Path, waiting: list[Path], prefix: str) -> str:
        name, _, fragment = reference.partition("#")
        if not name:
            return reference if prefix == "#" or not fragment.startswith("/") else f"{prefix}{fragment}"
        hint = "copy the file beside the document and refer to it by a relative path"
        if urlsplit(name).scheme or name.startswith(("/", "\\")):
            raise PolicyError(f"$ref {reference!r} is not a local file", key=reference, file=str(path), hint=hint)
        other = (path.parent / unquote(name)).resolve()
        if other == self.root:
            return f"#{fragment}"
        if other not in self._names:
            if len(self._names) >= FILES:
                raise PolicyError(f"consists of more than {FILES} files", file=self.shown)
            if not other.is_file():
                raise PolicyError(f"$ref {reference!r}: there is no such file", key=reference, file=str(path))
            self._names[other] = f"{len(self._names) + 1}-{other.name}"
            waiting.append(other)
        return json_pointer.joined("#", FILES_KEY, self._names[other]) + fragment


def _data(content: bytes, file: str) -> Any:
    if content.lstrip(b" \t\r\n\xef\xbb\xbf").startswith((b"{", b"[")):
        try:
            return read_json(content.removeprefix(b"\xef\xbb\xbf"), file)
        except PolicyError:
            if file.endswith(".json"):
                raise
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError("is not UTF-8 text", file=file, line=line) from None
    return read_yaml(text, file, aliases=True, values=_ALIASED_VALUES + len(text)).data
