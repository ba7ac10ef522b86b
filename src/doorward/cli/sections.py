"""The commands of `doorward --help` in sections, by what somebody wants to do."""

from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

SECTIONS: Final = (
    ("Guard an API", ("init", "check", "run", "schema")),
    ("Who may call", ("user", "client", "key", "certificate", "sms", "admin", "token")),
    ("What happened", ("audit", "explain", "observe-report", "drift", "learn")),
    ("Whether it holds", ("attack", "demo", "inspect")),
)
_LONGEST: Final = 120
"""Of a command's line, in characters: whole sentences, over several lines where the terminal is narrow."""


class Sections(TyperGroup):
    """The group of all commands; one that stands in no section does not show (a test sees to it)."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002 - the base names it
        """Write the sections, each command with its first sentence."""
        for title, names in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name, _line(self.commands[name].get_short_help_str(_LONGEST))) for name in names])


def _line(sentence: str) -> str:
    """As the other texts: small, without a full stop.

    >>> _line("Mint a token."), _line("API keys")
    ('mint a token', 'API keys')
    """
    small = sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence
    return small.rstrip(".") if not sentence.endswith("...") else small
