import pytest
from pydantic import ValidationError

from doorward.controls.authenticate import LOCAL_AUDIENCE, AuthenticatePolicy, IssuerPolicy, local_issuer

ISSUER = {"issuer": "https://issuer.example", "audience": "api"}


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"audience": ""},
        {"clock_skew_s": 3600},
        {"clock_skew_s": "60"},
        {"verify": False},
    ],
)
def test_what_would_open_the_door_cannot_be_written(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IssuerPolicy.model_validate(ISSUER | changes)


def test_an_issuer_is_judged_by_one_rule() -> None:
    with pytest.raises(ValidationError, match="twice"):
        AuthenticatePolicy.model_validate({"issuers": [ISSUER, ISSUER | {"audience": "other"}]})


def test_the_local_issuer_is_held_to_its_own_audience_and_type() -> None:
    policy = local_issuer("https://127.0.0.1:8444")
    assert (policy.audience, policy.token_types) == (LOCAL_AUDIENCE, ("at+jwt",))
