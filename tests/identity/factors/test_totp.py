"""Published vectors, and statement ID-69: a code works once."""

import pytest

from doorward.identity.factors.totp import hotp, make_seed, matching_step, provisioning_uri, step_at

SEED = b"12345678901234567890"


@pytest.mark.parametrize(
    ("counter", "code"),
    [*enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])],
)
def test_the_vectors_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert hotp(SEED, counter) == code


@pytest.mark.parametrize(
    ("time", "algorithm", "code"),
    [
        (59, "sha1", "94287082"),
        (59, "sha256", "46119246"),
        (59, "sha512", "90693936"),
        (1_111_111_109, "sha1", "07081804"),
        (1_111_111_111, "sha1", "14050471"),
        (1_234_567_890, "sha1", "89005924"),
        (2_000_000_000, "sha1", "69279037"),
        (20_000_000_000, "sha1", "65353130"),
        (20_000_000_000, "sha256", "77737706"),
        (20_000_000_000, "sha512", "47863826"),
    ],
)
def test_the_vectors_of_rfc_6238_appendix_b(time: int, algorithm: str, code: str) -> None:
    seed = {"sha1": SEED, "sha256": (SEED * 2)[:32], "sha512": (SEED * 4)[:64]}[algorithm]
    assert hotp(seed, step_at(time), digits=8, algorithm=algorithm) == code


def test_the_current_and_the_previous_code_are_taken_and_no_other() -> None:
    step = step_at(6_000.0)
    found = [matching_step(SEED, hotp(SEED, step + shift), now=6_000.0, last_step=0) for shift in (-2, -1, 0, 1)]
    assert found == [None, step - 1, step, None]


def test_a_step_that_was_used_and_any_before_it_are_not_taken() -> None:
    step = step_at(6_000.0)
    assert matching_step(SEED, hotp(SEED, step), now=6_000.0, last_step=step) is None
    assert matching_step(SEED, hotp(SEED, step - 1), now=6_000.0, last_step=step) is None


@pytest.mark.parametrize("code", ["", "00000", "٧٥٥٢٢٤", "\ud800", "1" * 10_000])
def test_what_is_no_code_is_not_taken(code: str) -> None:
    assert matching_step(SEED, code, now=6_000.0, last_step=0) is None


def test_the_apps_uri_names_issuer_and_account_and_nothing_breaks_out() -> None:
    uri = provisioning_uri(SEED, issuer="Door & ward", account="alice?secret=x")
    assert uri.startswith(
        "otpauth://totp/Door%20%26%20ward%3Aalice%3Fsecret%3Dx?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&"
    )
    assert len(make_seed()) == 20
