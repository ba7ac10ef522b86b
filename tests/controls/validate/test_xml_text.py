"""Row B9: XML without anything that leads elsewhere or unfolds."""

import pytest

from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.xml_text import XmlReader
from doorward.denial import Denied

READ = XmlReader(ValidatePolicy()).read


def test_every_text_is_found() -> None:
    raw = b'<?xml version="1.0" encoding="UTF-8"?><a x="1 &lt; 2"><b>it&#39;s <![CDATA[<here>]]></b><!-- note --></a>'
    assert READ(raw) == ["a", "x", "1 < 2", "b", "it's <here>", " note "]


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://evil.example/a.dtd"><a/>',
        b"<!DOCTYPE a><a/>",
        b'<?xml-stylesheet href="a.xsl"?><a/>',
        b"<a>&unknown;</a>",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"",
        b"text",
        b"<a " + b" ".join(b'a%d=""' % number for number in range(101)) + b"/>",
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" + b"<b/>" * 10_001 + b"</a>",
        b'<a x="1" x="2"/>',
        b"\xff\xfe<\0a\0/\0>\0",
    ],
)
def test_b9_what_is_more_than_plain_xml_is_refused(raw: bytes) -> None:
    with pytest.raises(Denied) as denied:
        READ(raw)
    assert denied.value.code == "validate.xml"


def test_another_coding_is_refused() -> None:
    with pytest.raises(Denied) as denied:
        READ(b'<?xml version="1.0" encoding="utf-7"?><a/>')
    assert denied.value.code == "validate.charset"
