"""Paths that an operator writes: relative ones count from the policy file's directory."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def beside_the_policy(path: Path, info: ValidationInfo) -> Path:
    """The path, counted from the policy file's directory where that is known."""
    directory = (info.context or {}).get("directory")
    return Path(directory) / path if directory is not None else path


PolicyPath = Annotated[Path, AfterValidator(beside_the_policy)]
"""A path; relative ones count from the policy file's directory."""
