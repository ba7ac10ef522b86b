"""Each class is recognised by its own judge, and the text next to each attack passes all of them."""

import json

import pytest
from tests.controls.inspect.attacks import ATTACKS

from doorward.controls.inspect.judging import JUDGES, forms, judge_text
from doorward.controls.inspect.prefilter import json_prefilter, text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT
from doorward.controls.inspect.verdict import Threat

CASES = [(threat, attack) for threat, attacks in ATTACKS.items() for attack in attacks]
NEIGHBOURS: dict[Threat, list[str]] = {
    "nosql": [
        "price[gte]=10&price[lte]=20",
        "it costs $5, or $10 in cash",
        "$top=10&$filter=name eq 'Ann'",
        '{"$ref": "#/components/schemas/Pet"}',
        "what does $ne mean in a query, and how is it different from $not",
        "tea && coffee || water",
        "return to sender; this is it",
        "'yes' || 'no' is how he put it",
    ],
    "ldap": [
        "cn=Ann Lee,ou=People,dc=example,dc=com",
        "f(a)(b=c)",
        ":) (hello=1)",
        "a) first (see b) second",
        "(*) required",
        "(a & b) | (c)",
        "x = (y) * (z)",
        "Tom (& Jerry)",
    ],
    "xpath": [
        "parent::__construct()",
        "std::sort(a, b)",
        "//cdn.example.com/a.js",
        "count(items) > 3",
        "name() is a function",
        "he said 'yes' and name(s) follow",
        "self::DEFAULT",
        "a/b/c[1]",
    ],
    "template": [
        "Dear {{ user.first_name }}, you owe ${amount}",
        "{{#if paid}}Paid{{else}}Open{{/if}}",
        "{% for item in cart.items %}{{ item.title }}{% endfor %}",
        "${{ github.event.number }}",
        "<%= name %>",
        "#{name}",
        "{{ 'now' | date }}",
        "{0} of {1}",
        "ann@(example)",
        "what does {{7*7}} do when I put it in a template",
    ],
    "ssrf": [
        "http://localhost:3000/callback",
        "https://user@example.com/a.git",
        "https://203.0.113.10/webhook",
        "127.0.0.1",
        "169.254.0.0/16",
        "http://10.1.2.3/hook",
        "https://example.com/?next=http%3A%2F%2F127.0.0.1%2F",
        "the loopback address is 127.0.0.1",
        "localhost",
    ],
    "xxe": [
        "<!DOCTYPE html><html><body>Hi</body></html>",
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
        '<?xml version="1.0"?><order id="5"><![CDATA[1 < 2]]></order>',
        '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>',
        "Fish &chips; and more",
    ],
    "crlf": [
        "Meeting at ten\nLocation: Berlin\nHost: Ann",
        "mailto:a@b.c?body=one%0D%0Atwo",
        "From: Ann\nTo: Bob\nSubject: lunch\n\nAt noon?",
        "Agenda\nset up the room\nget coffee\ndata review",
        "line one\r\nline two\r\n\r\nline four",
        "https://wa.me/1555?text=Hello%0Athere",
    ],
    "prototype": ["constructor", "the constructor of a class", "what is __proto__ good for", "prototype no. 3"],
    "deserialization": ["O:8 and C:3", "rO0m 101", "BAhraini dinar", '{"@type": "Person", "name": "Ann"}', "a:1 b:2"],
    "ssi": ["<!-- # include this chapter -->", "<!-- a note -->", "<email>ann@example.com</email>"],
    "code": [
        "print() and open() read a file",
        "f(x) = sin(x)",
        "Copy (1)",
        "Sleep (8 h)",
        "const x = items.filter(i => i.ok);",
        "import os is how a Python program begins",
        "Process. And then?",
        "how do I use eval() in JavaScript without danger",
        "def add(a, b):\n    return a + b",
    ],
}
HARMLESS = [(threat, text) for threat, texts in NEIGHBOURS.items() for text in texts]


@pytest.mark.parametrize(("threat", "attack"), CASES)
def test_an_attack_is_recognised_by_the_judge_of_its_class(threat: Threat, attack: str) -> None:
    prefilter = text_prefilter()
    found = [
        JUDGES[threat](form)
        for form, bits in forms(attack, prefilter.bits(attack.encode()), prefilter)
        if bits & BIT[threat]
    ]
    assert any(found)


@pytest.mark.parametrize(("threat", "attack"), CASES)
def test_within_a_json_document_it_reaches_a_judge_too(threat: Threat, attack: str) -> None:
    assert json_prefilter().bits(json.dumps({"a": {"b": [1, attack, True]}}, ensure_ascii=False).encode())


@pytest.mark.parametrize(("threat", "text"), HARMLESS)
def test_the_text_next_to_it_passes(threat: Threat, text: str) -> None:
    assert JUDGES[threat](text) is None
    assert judge_text(text) is None


def test_every_class_has_attacks_and_neighbours() -> None:
    older = {"sql", "xss", "command", "traversal"}
    assert set(ATTACKS) | older == set(JUDGES) == set(NEIGHBOURS) | older


@pytest.mark.parametrize(
    "words", ["hello my dear friend ", "/* hello my dear old friend */ ", "<!-- hello my dear friend -->"]
)
@pytest.mark.parametrize(
    "attack",
    ["${T(java.lang.Runtime).getRuntime().exec('id')}", "http://169.254.169.254/latest/", "{{config.items()}}"],
)
def test_words_around_it_hide_nothing_that_works_with_them(attack: str, words: str) -> None:
    if attack.startswith("http"):
        assert judge_text(attack + "?" + words) is not None
    else:
        assert judge_text(words + attack + words) is not None


@pytest.mark.parametrize(
    "attack", ["phpinfo();", "__import__('os').system('id')", "require('child_process').exec('id')"]
)
def test_words_in_a_comment_do_not_make_code_prose(attack: str) -> None:
    assert judge_text(f"/* hello my dear old friend */ {attack}") is not None
