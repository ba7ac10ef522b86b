import pytest

from doorward.controls.minimise.masks import Kind, Style, is_card_number
from doorward.controls.minimise.texts import (
    CARDS,
    EMAILS,
    IBANS,
    INTERNALS,
    NATIONAL_IDS,
    PHONES,
    REPLACEMENT,
    SECRETS,
    Cleaner,
    Cleaning,
)


def cleaner(kinds: int, styles: dict[Kind, Style] | None = None) -> Cleaner:
    return Cleaning(kinds, styles or {}, b"a key").cleaner(kinds)


def cleaned(text: str) -> str:
    return str(cleaner(CARDS | INTERNALS).clean(text))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4111111111111111", "************1111"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("5555-5555-5555-4444", "****-****-****-4444"),
        ("3782 822463 10005", "**** ****** *0005"),
        ("pay with 6011111111111117, please", "pay with ************1117, please"),
        ("2223003122003222.", "************3222."),
        ("4222222222222", "*********2222"),
    ],
)
def test_a_card_number_shows_its_last_four_digits(text: str, masked: str) -> None:
    assert cleaned(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "1700000000000",
        "9999999999999999",
        "41111111-1111-4111-8111-111111111111",
        "a4111111111111111",
        "4111111111111111.5",
        "+44 20 7946 0958",
        "978-3-16-148410-0",
        "2024-01-31 12:00:00",
        "0000000000000000",
        "4111 1111 1111",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'Traceback (most recent call last):\n  File "/app/x.py", line 3, in f',
        "\tat com.example.Bank.pay(Bank.java:42)",
        "at Object.<anonymous> (/srv/app/index.js:10:5)",
        "at Bank.Pay(String x) in C:\\app\\Bank.cs:line 12",
        "goroutine 1 [running]:",
        "You have an error in your SQL syntax; check the manual",
        "ORA-01756: quoted string not properly terminated",
        "SQLSTATE[42000]: Syntax error",
        "sqlite3.OperationalError: no such table: users",
        'near "x": syntax error',
        "PG::SyntaxError: x",
        "Unclosed quotation mark after the character string",
        "Warning: mysql_fetch_array() expects parameter 1 in /var/www/x.php on line 4",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_text_that_tells_about_the_inside_is_replaced(text: str) -> None:
    assert cleaned(text) == "[removed]"


@pytest.mark.parametrize(
    "text",
    [
        "at home (see page 5)",
        "an error in your order",
        "the table does not exist",
        "Warning: wet floor",
        "I went at 5:10:20 (UTC)",
        "call me at +1 555 0100",
        "the first line, in short",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert cleaned(text) == text


def test_everything_in_a_nested_answer_is_cleaned_and_counted() -> None:
    cleaning = cleaner(CARDS | INTERNALS)
    value = {"a": ["4111111111111111", {"b": "SQLSTATE[1]"}], "c": 4111111111111111, "d": None}
    assert cleaning.clean(value) == {"a": ["************1111", {"b": "[removed]"}], "c": 4111111111111111, "d": None}
    assert (cleaning.masked_count, cleaning.replaced_count) == (1, 1)


def test_luhn_and_range_are_both_needed() -> None:
    assert is_card_number("4111111111111111")
    assert not is_card_number("4111111111111110")
    assert not is_card_number("7992739871300000")


ISSUED = [
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1" * 18,
    "github_pat_" + "A1_" * 14,
    "glpat-" + "a" * 20,
    "sk_" + "live_" + "a1" * 12,
    "xoxb-" + "1234567890-" * 3,
    "AIza" + "a" * 35,
    "hvs." + "a" * 24,
    "npm_" + "a1" * 18,
    "https://hooks.slack.com/services/" + "TABCDEF12/x",
]


@pytest.mark.parametrize("key", ISSUED)
def test_keys_of_services_are_replaced(key: str) -> None:
    cleaning = cleaner(SECRETS)
    assert cleaning.clean({"note": f"use {key} for it", "other": "x"}) == {"note": REPLACEMENT, "other": "x"}
    assert cleaning.replaced_count == 1


@pytest.mark.parametrize(
    "text",
    ["AKIA", "ghp_short", "sk_test_4242", "xox", "the key is under the mat", "hvs.", "eyJhbGciOiJIUzI1NiJ9.e30.x"],
)
def test_what_only_looks_like_a_key_stays(text: str) -> None:
    assert cleaner(SECRETS).clean(text) == text


@pytest.mark.parametrize(
    ("kind", "text", "masked"),
    [
        (IBANS, "to DE89 3704 0044 0532 0130 00 please", "to DE89 **** **** **** **30 00 please"),
        (IBANS, "GB82WEST12345698765432", "GB82**************5432"),
        (IBANS, "NO9386011117947", "NO93*******7947"),
        (IBANS, "DE88370400440532013000", "DE88370400440532013000"),
        (IBANS, "AB12 CDEF no account", "AB12 CDEF no account"),
        (EMAILS, "write to ann.lee@example.com, please", "write to a***@example.com, please"),
        (EMAILS, "user@localhost", "user@localhost"),
        (PHONES, "call +49 30 5550101 at ten", "call +** ** ***0101 at ten"),
        (PHONES, "+1 (212) 555-0187", "+* (***) ***-0187"),
        (PHONES, "1 + 2 = 3 and +5", "1 + 2 = 3 and +5"),
        (IBANS | EMAILS, "a@b.de has GB82WEST12345698765432", "a***@b.de has GB82**************5432"),
    ],
)
def test_personal_data_is_masked_where_a_policy_says_so(kind: int, text: str, masked: str) -> None:
    assert cleaner(kind).clean(text) == masked
    assert cleaner(CARDS | INTERNALS | SECRETS).clean(text) == text


def test_directory_listings_are_replaced() -> None:
    assert cleaned("<html><title>Index of /backup</title>") == REPLACEMENT


IDS = {
    "US social security number 536-90-4399": "US social security number ***-**-4399",
    "CPF 390.533.447-05": "CPF ***.***.*47-05",
    "rijksregister 85.07.30-033.28": "rijksregister **.**.**-*33.28",
    "AHV 756.9217.0769.85": "AHV ***.****.**69.85",
    "SIN 123-456-782": "SIN ***-**6-782",
    "Aadhaar 2341 2341 2346": "Aadhaar **** **** 2346",
    "HETU 131052-308T": "HETU ******-308T",
    "personnummer 880320-0016": "personnummer ******-0016",
    "CPR 211062-5629": "CPR ******-5629",
    "NIR 2 95 10 99 126 111 93": "NIR * ** ** ** *** *11 93",
    "DNI 54362315-K": "DNI *****315-K",
    "codice RCCMNL83S18D969H": "codice ************969H",
    "CURP BOXW310820HNERXN09": "CURP **************XN09",
    "citizen 11010519491231002X": "citizen **************002X",
    "IdNr 36574261809": "IdNr *******1809",
    "PESEL 44051401359": "PESEL *******1359",
    "RRN 971013-9019902": "RRN ******-***9902",
}


@pytest.mark.parametrize(("text", "masked"), IDS.items())
def test_national_ids_are_masked_where_their_check_digits_fit(text: str, masked: str) -> None:
    assert cleaner(NATIONAL_IDS).clean(text) == masked
    assert cleaner(CARDS | IBANS).clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "order 12345678901",
        "ISBN 978-3-16-148410-0",
        "000-12-3456 is no number",
        "2024-01-31",
        "version 756.1.2.3",
        "10.10.10-100.10",
        "call 212-555-0100",
        "invoice 390.533.447-06",
        "X1234567",
        "id 36574261808 and 1700000000000",
        "536-90-4399-1 and a536-90-4399",
        "+11234567890",
    ],
)
def test_other_numbers_are_no_national_ids(text: str) -> None:
    assert cleaner(NATIONAL_IDS).clean(text) == text


def test_a_kind_is_named_or_hashed_where_the_policy_says_so() -> None:
    styles: dict[Kind, Style] = {"iban": "hash", "email": "whole", "phone": "hash"}
    kinds = IBANS | EMAILS | PHONES
    one = cleaner(kinds, styles).clean("a@b.de pays to DE89 3704 0044 0532 0130 00")
    other = cleaner(kinds, styles).clean("DE89370400440532013000")
    assert one == f"[email] pays to {other}"
    assert other.startswith("[iban ")
    assert len(other) == len("[iban ]") + 16
    assert cleaner(kinds, styles).clean("GB82WEST12345698765432") != other
    assert Cleaning(kinds, styles, b"another key").cleaner(kinds).clean("DE89370400440532013000") != other


def test_a_number_that_the_library_stumbles_over_is_masked() -> None:
    assert cleaner(NATIONAL_IDS).clean("order 46762843360902258X") == "order **************258X"
