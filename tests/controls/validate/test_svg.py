"""Row B14: an SVG image only draws."""

import pytest

from doorward.controls.validate import ValidatePolicy
from doorward.controls.validate.multipart import Part
from doorward.controls.validate.uploads import check_upload
from doorward.denial import Denied

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def code(image: str | bytes, **settings: bool) -> str:
    data = image if isinstance(image, bytes) else image.encode()
    try:
        check_upload(Part("f", "a.svg", "image/svg+xml", data), ("image/*",), ValidatePolicy(**settings))  # type: ignore[arg-type]
    except Denied as denied:
        return denied.code
    return ""


def svg(inside: str, more: str = "") -> str:
    return f"{HEAD}{more}>{inside}</svg>"


@pytest.mark.parametrize(
    "image",
    [
        svg('<path d="M0 0h1v1z" fill="#fff"/>'),
        "<svg/>",
        "<!DOCTYPE svg>" + svg(""),
        '<?xml version="1.0" encoding="UTF-8"?>' + svg("<title>on the road</title>"),
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">' + svg(""),
        svg(
            '<defs><linearGradient id="g"/></defs><rect fill="url(#g)" style="mask: url( \'#g\' )"/><use xlink:href="#g"/>'
        ),
        svg('<image href="data:image/png;base64,iVBORw0KGgo="/>'),
        svg("<style><![CDATA[.a{fill:red}@font-face{font-family:x;src:url(data:font/woff2;base64,d09G)}]]></style>"),
        svg('<animate attributeName="opacity" from="0" to="1"/>'),
        svg('<text font-family="Arial">javascript is a word</text>'),
        svg('<metadata><x:RDF xmlns:x="http://www.w3.org/1999/02/22-rdf-syntax-ns#" x:about=""/></metadata>'),
    ],
)
def test_b14_an_image_that_draws_passes(image: str) -> None:
    assert code(image) == ""


@pytest.mark.parametrize(
    "image",
    [
        svg("<script>alert(1)</script>"),
        svg('<x:script xmlns:x="http://www.w3.org/1999/xhtml"/>'),
        svg("<ScRiPt/>"),
        svg("", ' onload="alert(1)"'),
        svg('<g OnClick="x"/>'),
        svg("<foreignObject/>"),
        svg('<div xmlns="http://www.w3.org/1999/xhtml"/>'),
        svg('<a xlink:href="javascript:alert(1)"/>'),
        svg('<a href="java&#x0A;script:alert(1)"/>'),
        svg('<a href="https://evil.example/">click</a>'),
        svg('<use href="other.svg#a"/>'),
        svg('<image href="//evil.example/x.png"/>'),
        svg('<image href="data:image/svg+xml;base64,PHN2Zz4="/>'),
        svg('<use href="data:text/html,x"/>'),
        svg('<set attributeName="href" to="x"/>'),
        svg('<animate attributeName="xlink:href" values="x"/>'),
        svg('<animate attributeName="fill" values="javascript:alert(1)"/>'),
        svg('<rect style="fill:url(https://evil.example/)"/>'),
        svg('<rect fill="url( &#9; https://evil.example/)"/>'),
        svg('<rect fill="url(' + " " * 500 + 'https://evil.example/)"/>'),
        svg("<style>@import 'https://evil.example/a.css';</style>"),
        svg("<style><style/>@import 'https://evil.example/a.css';</style>"),
        svg("<style>a{background:u\\72l(x)}</style>"),
        svg("<style>a{background:image-set('https://evil.example/a.png' 1x)}</style>"),
        svg("", ' xml:base="https://evil.example/"'),
        '<?xml-stylesheet href="a.css"?>' + svg(""),
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("&x;"),
        "<!DOCTYPE svg [<!ATTLIST svg onload CDATA 'alert(1)'>]>" + svg(""),
        '<!DOCTYPE svg SYSTEM "http://evil.example/a.dtd">' + svg(""),
        '<?xml version="1.0" encoding="utf-7"?>' + svg(""),
        "<html/>",
        '<svg xmlns="http://www.w3.org/1999/xhtml"/>',
        "<svg>",
        "not an image",
        svg("<g>" * 300 + "</g>" * 300),
        svg("").encode("utf-16"),
    ],
)
def test_b14_an_image_that_does_more_is_refused(image: str | bytes) -> None:
    assert code(image) == "validate.upload"


def test_the_policy_may_let_images_run() -> None:
    assert code(svg("<script>alert(1)</script>"), insecure_active_svg=True) == ""
