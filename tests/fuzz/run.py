"""Coverage-guided fuzzing by atheris: `python -m tests.fuzz.run TARGET [--minutes 1]`, or `all`.

It starts from the kept corpus. An input that breaks the property is put into it, where `make test` finds it again.
"""

import argparse
import hashlib
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import atheris

CORPUS: Final = Path(__file__).parent / "corpus"
_LINE_S: Final = 10.0


def main() -> int:
    """Exit status: 0 when no input broke a property, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()
    if arguments.target != "all":
        return fuzz(arguments.target, arguments.minutes)
    from tests.fuzz.targets import TARGETS

    command = [sys.executable, "-m", "tests.fuzz.run"]
    broken = [
        name
        for name in TARGETS
        if subprocess.run([*command, name, "--minutes", str(arguments.minutes)], check=False).returncode
    ]
    print("broken:", *broken or ["none"])  # noqa: T201
    return 1 if broken else 0


def fuzz(name: str, minutes: float) -> int:
    """Never comes back when all goes well: libFuzzer ends the process when the time is over."""
    with atheris.instrument_imports(include=["doorward"]):
        from tests.fuzz.targets import TARGETS
    logging.disable(logging.CRITICAL)
    target = TARGETS[name]
    count, told = 0, time.monotonic()

    def one(data: bytes) -> None:
        nonlocal count, told
        count += 1
        now = time.monotonic()
        if now - told > _LINE_S:
            told = now
            print(f"{name}: {count} inputs", flush=True)  # noqa: T201
        try:
            target.run(data)
        except BaseException:
            kept = CORPUS / name / hashlib.sha256(data).hexdigest()[:16]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            print(f"{name}: broken by {kept} after {count} inputs", flush=True)  # noqa: T201
            raise

    with tempfile.TemporaryDirectory() as directory:
        dictionary, grown = Path(directory, "words"), Path(directory, "corpus")
        grown.mkdir()
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words if word)
        dictionary.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
        options = [
            f"-max_total_time={int(minutes * 60)}",
            f"-max_len={target.max_bytes}",
            f"-dict={dictionary}",
            "-timeout=10",
            "-rss_limit_mb=1024",
            f"-artifact_prefix={directory}/",
            "-print_final_stats=0",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, str(grown), str(CORPUS / name)], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
