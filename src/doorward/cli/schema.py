"""`doorward schema`: the JSON Schema of the policy, for editors."""

import json

import typer

from doorward.policy.document import Policy


def register(app: typer.Typer) -> None:
    """Add `doorward schema`."""
    app.command("schema", help="print the JSON schema of doorward.yaml")(schema)


def schema() -> None:
    """Print the JSON Schema of doorward.yaml."""
    print(schema_text(), end="")


def schema_text() -> str:
    """The JSON Schema (2020-12) of the policy as `doorward.schema.json` holds it."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Doorward policy",
        **Policy.model_json_schema(by_alias=True),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
