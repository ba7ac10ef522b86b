"""The demonstration's outcome, for people and for machines."""

from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doorward.demo.engine import Demonstration, Result, Stage

_CODE_COLUMNS: Final = 29
"""As wide as the longest code shown, so that none is broken."""


def as_json(shown: Demonstration) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "attacks": [
            {
                "id": result.breach.id,
                "threat": result.breach.threat,
                "control": result.breach.control,
                "code": result.breach.code,
                "breached_bare": result.evidence is not None,
                "stopped": result.stopped,
                "twin_bare": result.twin_bare,
                "twin_guarded": result.twin_guarded,
            }
            for result in shown.results
        ],
        "trail": {
            "records": shown.trail.records,
            "verified": shown.trail.verified,
            "tamper_noticed": shown.trail.tamper_noticed,
        },
    }


def as_page(shown: Demonstration) -> RenderableType:
    """The outcome for people."""
    return Group(_table(shown), Text(), *_trail_lines(shown), Text(), _last_line(shown))


def _table(shown: Demonstration) -> Table:
    table = Table(box=box.HORIZONTALS, pad_edge=False, expand=True, show_lines=True, border_style="dim")
    table.add_column("attack", ratio=3)
    table.add_column("threat", ratio=3, overflow="fold")
    table.add_column("without Doorward", ratio=4, overflow="fold")
    table.add_column("with Doorward", width=_CODE_COLUMNS, overflow="fold")
    table.add_column("twin", width=7)
    for result in shown.results:
        table.add_row(result.breach.name, _threat(result), _bare(result), _guarded(result), _twin(result))
    return table


def _threat(result: Result) -> Text:
    number, _, name = result.breach.threat.partition(" ")
    return Text.assemble(number, "\n", (name, "dim"))


def _bare(result: Result) -> Text:
    if result.evidence is None:
        return Text("NOT breached", "bold yellow")
    return Text.assemble(("breached", "bold red"), "\n", (result.evidence, ""))


def _guarded(result: Result) -> Text:
    if not result.stopped:
        return Text.assemble(("GOT THROUGH", "bold red"), f"\n{result.got}")
    return Text.assemble((f"stopped by {result.breach.control}", "bold green"), f"\n{result.breach.code}")


def _twin(result: Result) -> Text:
    if result.twin_bare and result.twin_guarded:
        return Text("passed", "green")
    return Text("REFUSED" if result.twin_bare else "BROKEN", "bold red")


def _trail_lines(shown: Demonstration) -> list[Text]:
    trail = shown.trail
    word = ("verified", "green") if trail.verified else (f"NOT verified: {trail.problem}", "bold red")
    lines = [Text.assemble(f"audit trail: {trail.records} records, ", word)]
    for what, said in trail.noticed.items():
        noticed = (f"noticed ({said})", "green") if said else ("NOT noticed", "bold red")
        lines.append(Text.assemble(f"  a copy with {what}: ", noticed))
    return lines


def _last_line(shown: Demonstration) -> Text:
    held = sum(result.held for result in shown.results)
    total = len(shown.results)
    text = f"{held} of {total} attacks breached the bare bank and were stopped by Doorward; their twins passed"
    return Text(text, "bold green" if shown.held else "bold red")


def next_steps() -> str:
    """What to try after the demonstration."""
    return (
        "try next:\n"
        "  doorward demo --keep                         both left running, with curl lines\n"
        "  doorward attack                              every attack, in a laboratory\n"
        "  doorward init --openapi FILE --upstream URL  guard an API of your own\n"
    )


def kept(stage: Stage) -> str:
    """Addresses, a token and lines to paste, while everything is left running."""
    gateway, bank = stage.gateway, stage.guarded_bank
    curl = f'curl --cacert {gateway.ca_file} -H "Authorization: Bearer $TOKEN"'
    return _KEPT.format(
        bare=stage.bare.url,
        gateway=gateway.url,
        bank=bank.url,
        policy=stage.site.policy,
        token=stage.site.tokens["alice"],
        curl=curl,
    )


_KEPT: Final = """\
bank, unguarded:  {bare}
bank, guarded:    {gateway}  (in front of {bank})
policy:           {policy}

TOKEN={token}

# alice's own account: the card is masked, the password hash gone
{curl} {gateway}/accounts/acc-1001
# bob's account: 404; and what the bare bank says
{curl} {gateway}/accounts/acc-2002
curl {bare}/accounts/acc-2002
# SQL in the search box
{curl} -G {gateway}/search --data-urlencode "q=x' UNION SELECT username, password_hash FROM users --"
# what the record says of the last requests; every attack that applies to this API
doorward audit show --policy {policy} --limit 5
doorward attack --target {gateway} --policy {policy}

Ctrl-C ends both
"""
