"""Builds the list of common and breached passwords that nobody may choose.

    python tools/blocklist.py django-*.whl zxcvbn-*.whl zxcvbn-ts-language-common-*.tgz john-data_*.deb

fetched by `pip download --no-deps django zxcvbn`, `npm pack @zxcvbn-ts/language-common`, `apt-get download john-data`.
Writes `src/doorward/identity/data/common_passwords.bin`: the first 8 bytes of SHA-256 of each entry (NFKC, case
folded), sorted, each once. Sources and licences: `common_passwords.md` beside it.
"""

import ast
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src/doorward/identity/data/common_passwords.bin"
ENTRY_LEAST = 4
"""Characters; shorter ones only ever stand inside longer passwords, where they say nothing."""


def django(path: Path) -> Iterator[str]:
    """Django's 20,000 most common passwords of breaches."""
    with zipfile.ZipFile(path) as wheel:
        yield from gzip.decompress(wheel.read("django/contrib/auth/common-passwords.txt.gz")).decode().splitlines()


def zxcvbn(path: Path) -> Iterator[str]:
    """Zxcvbn's passwords, and the words, names and titles that passwords are made of."""
    with zipfile.ZipFile(path) as wheel:
        tree = ast.parse(wheel.read("zxcvbn/frequency_lists.py"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from node.value.split(",")


def zxcvbn_ts(path: Path) -> Iterator[str]:
    """The passwords of zxcvbn-ts, from newer breaches."""
    with tarfile.open(path) as archive:
        member = archive.extractfile("package/src/passwords.json")
        yield from map(str, json.load(member)) if member else ()


def john(path: Path) -> Iterator[str]:
    """John the Ripper's list."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile("./usr/share/john/password.lst")
        lines = member.read().decode("latin-1").splitlines() if member else []
    yield from (line for line in lines if not line.startswith("#!comment"))


READERS = {"django": django, "zxcvbn-ts": zxcvbn_ts, "zxcvbn": zxcvbn, "john": john}


def main() -> None:
    """Read the archives named on the command line and write the list."""
    hashes = set()
    for path in map(Path, sys.argv[1:]):
        before = len(hashes)
        reader = next(read for prefix, read in READERS.items() if path.name.startswith(prefix))
        for entry in reader(path):
            normal = unicodedata.normalize("NFKC", entry.strip()).casefold()
            if len(normal) >= ENTRY_LEAST:
                hashes.add(hashlib.sha256(normal.encode()).digest()[:8])
        print(f"{path.name}: {len(hashes) - before} new entries")
    TARGET.write_bytes(b"".join(sorted(hashes)))
    print(f"{TARGET}: {len(hashes)} entries, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
