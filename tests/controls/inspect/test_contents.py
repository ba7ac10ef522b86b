"""What a field is said to hold shifts the judges; what does harm even there is still refused."""

import base64
import string
from random import Random
from urllib.parse import quote

import pytest
from tests.controls.inspect.test_check import description, exchange, operation, parameter, refusal

from doorward.controls.inspect import InspectPolicy, compile_check
from doorward.controls.inspect.contents import KINDS, texts_of_html
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.media_types import JSON_LINES
from doorward.operation import Schema
from doorward.policy.openapi import description_from_document

MARKDOWN = """# How to look around

Run `cat /etc/passwd; id` and then:

```sql
SELECT * FROM users WHERE name = '' OR 1=1 --
```

~~~html
<script>alert(1)</script>
~~~
"""

HARMLESS_HTML = """<h2 class="title is-3" id="a1">O'Brien &amp; sons; a "quote" and a list</h2><!-- note: it's here; see below -->
<p style="color: #333; font-family: 'Open Sans', sans-serif; margin:0 -2px; background: url('/img/a.png?b=1&amp;c=2') no-repeat">
<a href="https://example.com/?a=1&amp;b=2#c" title="read; then go on" data-id="42" target=_blank rel="noopener noreferrer">more</a>
<img src="/img/../img/a.png" alt="A cat | a dog" width=10 srcset="a.png 1x, b.png 2x"><br/><img src="../../b.png">
<table style="border:1px solid rgba(0,0,0,.1); width:calc(100% - 2px)"><tr><td colspan=2>1 &lt; 2 or 3</td></tr></table>"""
PASSWORD: Schema = {"type": "string", "format": "password"}


def field(contains: str) -> Schema:
    return {"type": "string", "x-doorward": {"contains": contains}}


def code(schema: Schema, text: str, *, pins: bool = True) -> str:
    denied = refusal(exchange({"text": text}), operation(schema={"properties": {"text": schema}}), pins=pins)
    return denied.code if denied is not None else ""


@pytest.mark.parametrize(
    ("schema", "text", "plain", "shifted"),
    [
        (field("markdown"), MARKDOWN, "inspect.sql", ""),
        (field("markdown"), "see <img src=x onerror=alert(1)>", "inspect.xss", "inspect.xss"),
        (field("markdown"), "```\n<script>alert(1)</script>", "inspect.xss", "inspect.xss"),
        (field("markdown"), "a ` b; cat /etc/passwd", "inspect.command", "inspect.command"),
        (field("markdown"), "\\`<script>alert(1)</script>\\`", "inspect.xss", "inspect.xss"),
        (field("markdown"), "[see](javascript\\:alert(document.cookie))", "", "inspect.xss"),
        (field("markdown"), "![see](<javascript:alert(1)>)", "inspect.xss", "inspect.xss"),
        (field("markdown"), "[a][b]\n\n[b]:\n  javascript&colon;alert(1)", "inspect.xss", "inspect.xss"),
        (field("markdown"), "`[see](javascript:alert(1))` and [b](https://example.com/c_(d))", "inspect.xss", ""),
        (field("markdown"), "![see](http://169.254.169.254/latest/)", "", "inspect.ssrf"),
        (field("html"), "<p onclick=steal()>x</p>", "inspect.xss", "inspect.xss"),
        (field("html"), "<p>a</p>; cat /etc/passwd", "inspect.command", "inspect.command"),
        (field("html"), "<p>&#39; OR &#39;a&#39;=&#39;a</p>", "", "inspect.sql"),
        (field("html"), '<a title="{{7*7}}">x</a>', "inspect.template", "inspect.template"),
        (field("html"), '<p class="{{7*7}}">', "inspect.template", "inspect.template"),
        (field("html"), '<p style="{{config.items()}}">x', "inspect.template", "inspect.template"),
        (field("html"), "<p {{config.items()}}>", "inspect.template", "inspect.template"),
        (field("html"), "</p {{7*7}}>", "inspect.template", "inspect.template"),
        (field("html"), "<p class={{7*7}}>", "inspect.template", "inspect.template"),
        (field("html"), "<?php system('id'); ?>", "inspect.code", "inspect.code"),
        (field("html"), '<!--#exec cmd="ls"-->', "inspect.ssi", "inspect.ssi"),
        (field("html"), """<p class="' OR 1=1 UNION SELECT password FROM users --">x""", *["inspect.sql"] * 2),
        (field("html"), '<p style="background:url(http://169.254.169.254/latest/)">', "", "inspect.ssrf"),
        (field("html"), "<p ../../../etc/passwd>", "inspect.traversal", "inspect.traversal"),
        (field("html"), HARMLESS_HTML, "", ""),
        (field("sql"), "SELECT name FROM users WHERE id = 1 OR 1=1 -- all", "inspect.sql", ""),
        (field("sql"), "SELECT 1; DROP TABLE users", "inspect.sql", "inspect.sql"),
        (field("sql"), "SELECT load_file('/etc/passwd')", "inspect.sql", "inspect.sql"),
        (field("sql"), "SELECT a INTO OUTFILE '/var/www/x.php' FROM b", "inspect.sql", "inspect.sql"),
        (field("sql"), "SELECT '<script>alert(1)</script>'", "inspect.sql", "inspect.xss"),
        (field("code"), "import os; os.system('cat /etc/passwd')", "inspect.code", ""),
        (field("code"), "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwACRgAK", *["inspect.deserialization"] * 2),
        (PASSWORD, "GF`,RU?VZN7/r'#vdsG^C+rox0", "inspect.sql", ""),
        (PASSWORD, "' OR 'a'='a", "inspect.sql", "inspect.sql"),
        (PASSWORD, "' or true--", "inspect.sql", "inspect.sql"),
        (PASSWORD, "admin'--", "inspect.sql", "inspect.sql"),
        (PASSWORD, "*)(uid=*", "inspect.ldap", "inspect.ldap"),
        (PASSWORD, "a)(|(password=*)", "inspect.ldap", "inspect.ldap"),
        (PASSWORD, "*))%00", "inspect.ldap", "inspect.ldap"),
        (PASSWORD, '{"$gt":""}', "inspect.nosql", "inspect.nosql"),
        (PASSWORD, "(&(uid=*)", "inspect.ldap", "inspect.ldap"),
        (PASSWORD, "1*(&H)Qkn{", "inspect.ldap", ""),
        (PASSWORD, "|| id", "inspect.command", ""),
    ],
)
def test_a_field_is_judged_by_what_it_is_said_to_hold(schema: Schema, text: str, plain: str, shifted: str) -> None:
    assert (code({"type": "string"}, text), code(schema, text)) == (plain, shifted)
    assert code(schema, text, pins=False) == plain, "a description that nobody enforces shifts nothing"


def test_the_shortest_ways_past_a_login_are_refused() -> None:
    for text in ("'='", "'-'", "'^'0", "admin' #", 'admin"--', "x') or true--"):
        assert code(PASSWORD, text) == "inspect.sql"


def test_random_passwords_pass() -> None:
    random = Random(20_261_129)
    letters = string.ascii_letters + string.digits + string.punctuation
    check = compile_check(operation(schema={"properties": {"text": PASSWORD}}), InspectPolicy(), description())
    assert check is not None
    refused = 0
    for _ in range(20_000):
        try:
            check(exchange({"text": "".join(random.choices(letters, k=random.randint(8, 32)))}))
        except Denied:
            refused += 1
    assert refused <= 12, "some 5 in 20,000"


def test_parameters_and_whole_bodies_say_what_they_hold_too() -> None:
    checked = operation(parameter("q", "query", field("sql")), media="text/plain", schema=field("markdown"))
    assert refusal(exchange(query=b"q=select+1+or+1=1"), checked) is None
    denied = refusal(exchange(query=b"q=select+1;drop+table+a"), checked)
    assert denied is not None
    assert denied.code == "inspect.sql"
    for body, wanted in ((b"`; cat /etc/passwd` shows it", ""), (b"x; cat /etc/passwd", "inspect.command")):
        made = exchange(headers=((b"content-type", b"text/plain"),))
        made.request.body = body
        denied = refusal(made, checked)
        assert (denied.code if denied else "") == wanted


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", "' UNION SELECT password FROM users -- "])
def test_base64_is_judged_decoded_where_the_description_or_the_place_says_so(attack: str) -> None:
    hidden = base64.b64encode(attack.encode()).decode()
    assert code({"type": "string", "format": "byte"}, hidden) == code({"type": "string"}, attack)
    assert code({"type": "string", "contentEncoding": "base64"}, hidden) == code({"type": "string"}, attack)
    for spelled in (hidden, hidden.rstrip("="), base64.urlsafe_b64encode(attack.encode()).decode()):
        denied = refusal(exchange(query=b"q=" + spelled.encode()), operation(parameter("q", "query", {})))
        assert denied is not None
        assert denied.code == code({"type": "string"}, attack)


@pytest.mark.parametrize(
    "payload",
    [
        "é<script>alert(1)</script>".encode(),
        "é<script>alert(1)</script>".encode("latin-1"),
        b"\0<script>alert(1)</script>",
        b"<script>alert(1)</script>\xff\xfe",
        b"<script>alert('\x1f\x8b')</script>",
    ],
)
@pytest.mark.parametrize("spelled", ["{0}", " {0}", "{1}\n{2}", "{1}\r\n {2}\n"])
def test_neither_a_byte_nor_white_space_hides_a_text_in_base64(payload: bytes, spelled: str) -> None:
    whole = base64.b64encode(payload).decode()
    text = spelled.format(whole, whole[:20], whole[20:])
    assert code({"type": "string", "format": "byte"}, text) == "inspect.xss"
    query = b"q=" + quote(text).encode()
    denied = refusal(exchange(query=query), operation(parameter("q", "query", {})))
    assert denied is not None
    if "\r" not in spelled:
        made = exchange(headers=((b"q", text.replace("\n", " ").encode()),))
        assert refusal(made, operation(parameter("q", "header", {}))) is not None


def test_random_bytes_in_base64_pass() -> None:
    random = Random(20_261_129)
    for size in (16, 24, 32, 64):
        for _ in range(2_000):
            assert code({"type": "string", "format": "byte"}, base64.b64encode(random.randbytes(size)).decode()) == ""


def test_harmless_base64_and_words_that_look_like_it_pass() -> None:
    for text in ("Hello, this is only text.", "a" * 40, "select the best of both worlds"):
        encoded = base64.b64encode(text.encode())
        assert refusal(exchange(query=b"q=" + encoded), operation(parameter("q", "query", {}))) is None
        assert code({"type": "string", "format": "byte"}, encoded.decode()) == ""
    assert refusal(exchange(query=b"q=correcthorsebattery"), operation(parameter("q", "query", {}))) is None


def test_cutting_tags_is_linear() -> None:
    assert sum(len(part) for _, part in texts_of_html("<a " * 50_000)) < 300_000
    assert sum(len(part) for _, part in texts_of_html("<a b=c " * 50_000)) < 400_000


def test_a_word_that_means_nothing_does_not_load() -> None:
    schema = {"type": "string", "x-doorward": {"contains": "mardown"}}
    content = {"application/json": {"schema": {"properties": {"text": schema}}}}
    document = {"openapi": "3.1.0", "paths": {"/a": {"post": {"requestBody": {"content": content}}}}}
    with pytest.raises(PolicyError, match="'mardown' is no kind of text") as refused:
        description_from_document(document)
    assert refused.value.key.endswith("/text/x-doorward/contains")
    assert "markdown" in refused.value.hint
    schema["x-doorward"] = {"holds": "code"}
    with pytest.raises(PolicyError, match="says here what its text contains"):
        description_from_document(document)
    for word in KINDS:
        schema["x-doorward"] = {"contains": word}
        assert description_from_document(document).operations


@pytest.mark.parametrize("name", sorted(JSON_LINES))
@pytest.mark.parametrize("is_list", [True, False])
def test_a_line_of_json_is_judged_by_its_fields(name: str, is_list: bool) -> None:
    line = {"type": "object", "properties": {"text": field("markdown"), "pin": PASSWORD, "plain": {"type": "string"}}}
    checked = operation(media=name, schema={"type": "array", "items": line} if is_list else line)

    def refused(member: str, text: str) -> Denied | None:
        made = exchange({member: text}, headers=((b"content-type", name.encode()),))
        made.json_body = [{member: text}]
        return refusal(made, checked)

    assert refused("text", MARKDOWN) is None
    denied = refused("plain", MARKDOWN)
    assert denied is not None
    assert denied.detail.startswith("/*/plain: ")
    assert refused("pin", "GF`,RU?VZN7/r'#vdsG^C+rox0") is None
    denied = refused("pin", "' OR 'a'='a")
    assert denied is not None
    assert denied.detail.endswith("%)"), "the record keeps nothing of a password, not even its shape"
