"""Every parser under its property: the inputs that were kept, and a few hundred new ones a run."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

CORPUS: Final = Path(__file__).parent / "corpus"
KEPT: Final = sorted(CORPUS.glob("*/*"))
_OURS: Final = f"{Path('src', 'doorward')}/"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_kept_input_keeps_the_property(path: Path) -> None:
    TARGETS[path.parent.name].run(path.read_bytes())


def inputs(words: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and sentences of the parser's own language."""
    word = st.sampled_from(words) | st.binary(max_size=3)
    return st.binary(max_size=64) | st.lists(word, max_size=24).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_keeps_its_property(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(inputs(target.words))
    def keeps(data: bytes) -> None:
        target.run(data)

    keeps()


def steps(target: Target, data: bytes) -> int:
    """Lines of Doorward's own code that one input costs: a count that no load on the machine disturbs."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if _OURS not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(previous)
    return count


@pytest.mark.parametrize("name", TARGETS)
def test_the_steps_grow_no_faster_than_the_input(name: str) -> None:
    target = TARGETS[name]
    for word in target.words:
        some, more = (steps(target, word * count) for count in (200, 800))
        # Four times the input: what is quadratic takes sixteen times the steps. The rest is for bounds in between.
        assert more <= 6 * some + 12_000, f"{word!r}: {some} steps for 200 of them, {more} for 800"


def test_every_target_has_inputs_to_begin_with() -> None:
    assert {path.parent.name for path in KEPT} == set(TARGETS)
