"""The table of denials, the attacks and the pages cannot drift apart; no control lacks a part."""

import importlib
import inspect
from pathlib import Path

import pytest
from pydantic import BaseModel

import doorward.controls
from doorward.attack.case import Attack
from doorward.attack.catalogue import every_attack
from doorward.denial import DENIALS

ROOT = Path(__file__).parents[1]
CONTROLS = sorted(path.parent.name for path in Path(doorward.controls.__file__).parent.glob("*/__init__.py"))
ATTACKS = list(every_attack())
OWN_THREATS = {
    "API1:2023 Broken object level authorization",
    "API2:2023 Broken authentication",
    "API3:2023 Broken object property level authorization",
    "API4:2023 Unrestricted resource consumption",
    "API5:2023 Broken function level authorization",
    "API6:2023 Unrestricted access to sensitive business flows",
    "API7:2023 Server side request forgery",
    "API8:2023 Security misconfiguration",
    "API9:2023 Improper inventory management",
    "API10:2023 Unsafe consumption of APIs",
}


def test_the_nine_controls_are_there() -> None:
    assert (
        sorted(
            ["transport", "limits", "authenticate", "authorize", "validate", "inspect", "forward", "minimise", "audit"]
        )
        == CONTROLS
    )


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_code_has_an_attack_that_earns_it(code: str) -> None:
    assert [attack.id for attack in ATTACKS if attack.earns == code], f"no attack earns {code}"


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_code_is_explained_on_its_controls_page(code: str) -> None:
    page = ROOT / "docs" / "controls" / f"{code.partition('.')[0]}.md"
    assert f"`{code}`" in page.read_text(encoding="utf-8"), f"{page.name} does not explain {code}"


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_code_belongs_to_a_control(code: str) -> None:
    assert code.partition(".")[0] in CONTROLS


def test_attack_ids_are_unique() -> None:
    ids = [attack.id for attack in ATTACKS]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_an_attack_says_what_it_earns_whence_it_comes_and_has_a_twin(attack: Attack) -> None:
    assert attack.earns in DENIALS or attack.is_harmless is not None
    assert attack.id.partition(".")[0] == attack.control
    assert attack.threat in OWN_THREATS
    assert attack.source
    assert attack.name == attack.name.strip().rstrip(".")
    assert callable(attack.twin)
    assert attack.twin is not attack.send


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_a_card(control: str) -> None:
    card = importlib.import_module(f"doorward.controls.{control}").__doc__ or ""
    for word in ("Threat:", "Standard:", "Not here:"):
        assert word in card, f"the card of {control} lacks {word!r}"


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_a_policy_that_refuses_unknown_keys_and_explains_each_field(control: str) -> None:
    module = importlib.import_module(f"doorward.controls.{control}.policy")
    models = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseModel) and member.__module__ == module.__name__
    ]
    assert f"{control.capitalize()}Policy" in {model.__name__ for model in models}
    for model in models:
        assert model.model_config.get("extra") == "forbid"
        assert model.model_config.get("frozen")
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no docstring"


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_attacks(control: str) -> None:
    assert importlib.import_module(f"doorward.controls.{control}.attacks").ATTACKS


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_tests(control: str) -> None:
    assert list((ROOT / "tests" / "controls" / control).glob("test_*.py"))


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_a_page(control: str) -> None:
    assert (ROOT / "docs" / "controls" / f"{control}.md").read_text(encoding="utf-8").startswith("# ")
