"""Where the store is: what may be written, and what the driver is told of it."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from doorward.policy.store import StoreSettings, store_place


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://doorward:hunter2@db.internal/doorward",
        "postgres://db.internal/doorward",
        "sqlite:///store.db",
        "postgresql://db.internal",
        "postgresql://db.internal:99999/doorward",
        "postgresql://db.internal/doorward?sslmode=disable",
        "postgresql://db.internal/doorward?host=elsewhere.example",
        "postgresql://db.internal/doorward?host=/run/postgresql",
        "postgresql://db.internal/doorward#x",
        "doorward",
    ],
)
def test_what_is_no_plain_url_of_a_database_is_refused_and_no_password_told(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        StoreSettings(url=url)
    assert "hunter2" not in str([each["msg"] for each in refused.value.errors()])


def test_without_settings_it_is_a_file_in_the_state_directory(tmp_path: Path) -> None:
    assert store_place(None, tmp_path) == (f"sqlite:///{tmp_path.resolve()}/store.db", {})


def test_a_server_elsewhere_must_show_a_certificate_of_its_name() -> None:
    place, told = store_place(StoreSettings(url="postgresql://doorward@db.internal/doorward"), Path())
    assert place == "postgresql+psycopg://doorward@db.internal/doorward"
    assert (told["sslmode"], told["sslrootcert"]) == ("verify-full", "system")
    own = StoreSettings(url="postgresql://db.internal/doorward", ca_file=Path("/etc/db.pem"))
    assert own.arguments()["sslrootcert"] == "/etc/db.pem"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///doorward?host=/run/postgresql",
        "postgresql://doorward@127.0.0.1:5432/doorward",
        "postgresql://[::1]/doorward",
        "postgresql://localhost/doorward",
    ],
)
def test_nobody_stands_between_on_one_machine(url: str) -> None:
    assert "sslmode" not in StoreSettings(url=url).arguments()


def test_the_password_is_told_to_the_driver_alone() -> None:
    settings = StoreSettings(url="postgresql://db.internal/doorward", password=SecretStr("hunter2"))
    assert settings.arguments()["password"] == "hunter2"
    assert "hunter2" not in repr(settings) + settings.model_dump_json() + settings.url
