import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hyperscan
import pytest

from doorward import automata
from doorward.automata import automaton, keep_in

PATIENCE_S = 30.0
PATTERNS = [r"select\s", r"\x00|b+c"]


def found(database: Any, data: bytes) -> set[int]:
    indexes: set[int] = set()
    database.scan(data, match_event_handler=lambda index, *_: indexes.add(index))
    return indexes


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(automata, "_kept_in", [])
    keep_in(tmp_path / "automata")
    return tmp_path / "automata"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    compiled: list[int] = []
    dump = hyperscan.dumpb

    def counting(database: Any) -> Any:
        compiled.append(1)
        return dump(database)

    monkeypatch.setattr(hyperscan, "dumpb", counting)
    return compiled


def test_it_finds_what_the_patterns_say(kept: Path) -> None:
    database = automaton(PATTERNS)
    assert found(database, b"a select b") == {0}
    assert found(database, b"SELECT ") == set()
    assert found(automaton(PATTERNS, ignore_case=True), b"SELECT bbc") == {0, 1}
    assert len(list(kept.iterdir())) == 2


def test_what_is_kept_is_read_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = counted(monkeypatch)
    for _ in range(3):
        assert found(automaton(PATTERNS), b"a select bc\0") == {0, 1}
    assert compiled == [1]
    (file,) = kept.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_what_is_damaged_is_made_again(kept: Path, monkeypatch: pytest.MonkeyPatch, damage: Any) -> None:
    automaton(PATTERNS)
    (file,) = kept.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    compiled = counted(monkeypatch)
    assert found(automaton(PATTERNS), b"select ") == {0}
    assert compiled == [1]


def test_what_others_could_have_written_is_not_used(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    automaton(PATTERNS)
    (file,) = kept.iterdir()
    file.chmod(0o666)
    compiled = counted(monkeypatch)
    automaton(PATTERNS)
    assert compiled == [1]
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)
    automaton(PATTERNS)
    assert compiled == [1, 1]


def test_of_several_that_start_at_once_one_compiles(kept: Path) -> None:
    """Each process opens the directory for itself, so do threads: the lock belongs to what was opened."""
    compiling, going_on = threading.Event(), threading.Event()
    compiled: list[int] = []

    def slow(patterns: Sequence[str], flags: int) -> Any:
        compiled.append(flags)
        compiling.set()
        assert going_on.wait(PATIENCE_S)
        return original(patterns, flags)

    original = automata._compiled
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(automata, "_compiled", slow)
        first = pool.submit(automaton, PATTERNS)
        assert compiling.wait(PATIENCE_S)
        second = pool.submit(automaton, PATTERNS)
        going_on.set()
        assert found(first.result(PATIENCE_S), b"select ") == found(second.result(PATIENCE_S), b"select ") == {0}
    assert len(compiled) == 1


def test_where_nothing_can_be_kept_it_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automata, "_kept_in", [tmp_path / "a" / "b" / "c"])
    assert found(automaton(PATTERNS), b"select ") == {0}
    monkeypatch.setattr(automata, "_kept_in", [])
    assert found(automaton(PATTERNS), b"select ") == {0}
