import pytest

from doorward.controls.inspect.judges import traversal

ATTACKS = [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "../admin",
    "....//....//etc/passwd",
    ".././.././etc/passwd",
    "..;/..;/admin",
    "/var/www/../../etc/passwd",
    "/etc/passwd",
    "/proc/self/environ",
    "C:\\windows\\win.ini",
    "C:/Program Files/Apache/conf/httpd.conf",
    "file:///etc/passwd",
    "php://filter/convert.base64-encode/resource=index",
    "phar://x.phar",
    "image.png\x00.php",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "..0x2f..0x2fetc",
    "page=../../../secret",
    "..\u2215..\u2215etc\u2215passwd",
    "/.ssh",
    "..",
]
HARMLESS = [
    "see ../README for more",
    "see [the docs](../docs/readme.md)",
    "1..5",
    "wait... what?",
    "...",
    "/api/v2/items",
    "and/or",
    "docs/readme.md",
    "./build",
    "src/../lib",
    "https://example.com/a/b",
    "C:\\Users\\Ann\\Documents\\letter.docx",
    "etc. and so on / others",
    "9/11",
    "zip: 94107",
    "profile: me",
    "100%",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_path_that_leaves_its_place_is_an_attack(text: str) -> None:
    verdict = traversal.judge(text)
    assert verdict is not None
    assert verdict.threat == "traversal"


@pytest.mark.parametrize("text", HARMLESS)
def test_a_path_that_stays_and_dots_in_prose_are_not(text: str) -> None:
    assert traversal.judge(text) is None
