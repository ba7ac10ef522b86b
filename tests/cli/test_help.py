"""`doorward --help`: every command, once, in a section."""

from typer.testing import CliRunner

from doorward.cli import app
from doorward.cli.sections import SECTIONS


def _names() -> list[str]:
    groups = [each.name or "" for each in app.registered_groups]
    return [each.name or "" for each in app.registered_commands] + groups


def test_every_command_stands_in_one_section() -> None:
    assert sorted(name for _, names in SECTIONS for name in names) == sorted(_names())


def test_help_tells_of_every_command_in_the_order_of_the_sections() -> None:
    told = CliRunner().invoke(app, ["--help"])
    lines = told.stdout.splitlines()
    places = [
        next(at for at, line in enumerate(lines) if line.startswith(f"  {name} ")) for _, n in SECTIONS for name in n
    ]
    assert (told.exit_code, places) == (0, sorted(places))
    assert not [line for line in lines if line.rstrip().endswith("...") and "COMMAND" not in line]
