"""The policy file, read and judged: every mistake with file, line, key and hint."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from doorward.errors import PolicyError, PolicyErrors
from doorward.policy.document import Policy
from doorward.policy.messages import mistakes
from doorward.policy.yaml_text import Place, Text, dotted, read_yaml

POLICY_BYTES: Final = 1 << 20
"""Largest policy file, in bytes. A policy is written by people; a larger file is some other file."""
SECRET_BYTES: Final = 64 << 10
"""Largest file a `file:` secret may name, in bytes."""
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_policy(path: Path, environment: Mapping[str, str] | None = None) -> Policy:
    """The policy of a file, secrets filled in, paths counted from the file's directory.

    Errors: PolicyError (PolicyErrors for several at once), with file, line, key and hint.
    """
    file = str(path)
    text = read_yaml(_read(path, POLICY_BYTES), file)
    if not isinstance(text.data, dict):
        raise PolicyError("is not a mapping", file=file, line=1, hint="start with `api: openapi.yaml`")
    directory = path.resolve().parent
    secrets = _Secrets(text, file, directory, os.environ if environment is None else environment)
    data = secrets.filled(text.data, ())
    if secrets.errors:
        raise _together(secrets.errors)
    return policy_from_data(data, text=text, file=file, directory=directory)


def policy_from_data(data: Mapping[str, Any], *, text: Text, file: str, directory: Path) -> Policy:
    """The policy that plain data describes; `text` knows the lines. Errors: PolicyError, PolicyErrors."""
    try:
        # By way of JSON: only then does pydantic's strict mode take a list for a tuple, as a document must.
        policy = Policy.model_validate_json(orjson.dumps(data), context={"directory": directory})
    except ValidationError as error:
        raise _together(
            [
                PolicyError(problem, key=dotted(place), file=file, line=text.line(place), hint=hint)
                for place, problem, hint in mistakes(error, Policy)
            ]
        ) from None
    for part, key in (("authorize", "roles"), ("authenticate", "issuers"), ("forward", "upstream")):
        try:
            getattr(policy, part)
        except PolicyError as error:
            top = re.split(r"[.\[]", error.key)[0] or key
            raise error.at(file=file, line=text.line((top,)), key=key) from None
    return policy


def _together(errors: list[PolicyError]) -> PolicyError:
    return errors[0] if len(errors) == 1 else PolicyErrors(sorted(errors, key=lambda error: error.line))


def _read(path: Path, limit_bytes: int) -> str:
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(limit_bytes + 1)
    except OSError as error:
        hint = "`doorward init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise PolicyError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=file, hint=hint) from None
    if len(content) > limit_bytes:
        raise PolicyError(f"is larger than {limit_bytes} bytes", file=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError("is not UTF-8 text", file=file, line=line) from None


class _Secrets:
    """Fills in `${NAME}` and `file:path`. There is no default: a secret that is missing refuses to load."""

    def __init__(self, text: Text, file: str, directory: Path, environment: Mapping[str, str]) -> None:
        self.text, self.file, self.directory, self.environment = text, file, directory, environment
        self.errors: list[PolicyError] = []

    def filled(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, (*place, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        if value.startswith("file:"):
            return self._from_file(value.removeprefix("file:"), place)
        return _VARIABLE.sub(lambda found: self._from_environment(found[1], place), value) if "${" in value else value

    def _from_environment(self, name: str, place: Place) -> str:
        if name not in self.environment:
            self._mistake(place, f"the environment variable {name} is not set", f"export {name}=... before starting")
            return ""
        return self.environment[name]

    def _from_file(self, name: str, place: Place) -> str:
        try:
            return _read(self.directory / name, SECRET_BYTES).removesuffix("\n")
        except PolicyError as error:
            self._mistake(place, f"the secret file {name} {error.problem}", error.hint and "create it, mode 0600")
            return ""

    def _mistake(self, place: Place, problem: str, hint: str) -> None:
        line = self.text.line(place)
        self.errors.append(PolicyError(problem, key=dotted(place), file=self.file, line=line, hint=hint))
