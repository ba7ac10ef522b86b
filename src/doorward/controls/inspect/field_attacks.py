"""What inspect must stop in fields that are said to hold markup or code (`contains`), and what they are there for."""

from typing import Final

from doorward.attack.case import Attack
from doorward.controls.inspect.verdict import Threat


def _attack(name: str, kind: str, threat: Threat, title: str, source: str, send: str, twin: str) -> Attack:
    """`kind`: what the field is said to hold."""
    return Attack(
        id=f"inspect.{name}",
        name=title,
        earns=f"inspect.{threat}",
        threat="API8:2023 Security misconfiguration",
        source=source,
        send=lambda samples: samples.containing(kind, send),
        twin=lambda samples: samples.containing(kind, twin),
    )


FIELD_ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "markdown_markup",
        "markdown",
        "xss",
        "have a page run a script by HTML in Markdown, beside its code",
        "CWE-79; CommonMark 0.31.2 section 6.6",
        "Try <img src=x onerror=alert(1)> here",
        "Try `<img src=x onerror=alert(1)>` here",
    ),
    _attack(
        "markdown_link",
        "markdown",
        "xss",
        "have a link of Markdown run a script, its address escaped",
        "CWE-79; CommonMark 0.31.2 section 6.3",
        "[see](javascript\\:alert(document.cookie))",
        "[see](https\\://example.com/alert(document.cookie))",
    ),
    _attack(
        "html_text",
        "html",
        "sql",
        "make a condition always true, behind HTML's references",
        "CWE-89; CWE-116",
        "<p>&#39; OR &#39;a&#39;=&#39;a</p>",
        "<p>O&#39;Brien or O&#39;Hara = &#39;a&#39;</p>",
    ),
    _attack(
        "sql_second_statement",
        "sql",
        "sql",
        "add a second statement to a query",
        "CWE-89; OWASP WSTG-INPV-05",
        "SELECT name FROM users WHERE id = 1 OR 1=1; DROP TABLE users",
        "SELECT name FROM users WHERE id = 1 OR 1=1 -- DROP TABLE users",
    ),
    _attack(
        "code_object",
        "code",
        "deserialization",
        "have PHP build an object, where its source is expected",
        "CWE-502; OWASP WSTG-INPV-11",
        'O:4:"Evil":1:{s:3:"cmd";s:2:"id";}',
        "<?php class Evil { public $cmd = 'id'; } system((new Evil)->cmd); ?>",
    ),
)
