from pathlib import Path

from doorward.cli.schema import schema_text

STORED = Path(__file__).parents[2] / "doorward.schema.json"


def test_the_schema_for_editors_is_the_one_the_models_make() -> None:
    """After a change of a policy model: `doorward schema > doorward.schema.json`."""
    assert STORED.read_text("utf-8") == schema_text()
