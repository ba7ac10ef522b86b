"""The maps lead somewhere: every link of the hand-written documents points at a file, and every heading it names."""

import re
from pathlib import Path

import pytest

from doorward.policy.document import Policy
from doorward.policy.issuer import IssuerSettings
from doorward.policy.operation_policy import OperationPolicy

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def _anchors(markdown: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    lost = []
    for link in LINK.findall(document.read_text("utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path.read_text("utf-8"))):
            lost.append(link)
    assert not lost, f"{document.name} links to nothing: {lost}"


def test_the_architecture_page_names_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    packages = {path.parent.name for path in (ROOT / "src/doorward").glob("*/__init__.py")}
    assert [name for name in sorted(packages) if f"`{name}/`" not in text] == []


@pytest.mark.parametrize("model", [Policy, IssuerSettings, OperationPolicy], ids=lambda model: model.__name__)
def test_the_policys_page_names_every_key(model: type[Policy | IssuerSettings | OperationPolicy]) -> None:
    keys = (ROOT / "docs/policy.md").read_text("utf-8").partition("\n## Keys\n")[2].partition("\n## ")[0]
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in keys] == []
