"""The bank's routes, put together. It adds the headers that tell a stranger what runs here."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from doorward.demo.bank import lookup, money, people, tools


def bank(directory: Path) -> Starlette:
    """The bank whose data lie in `directory` (made by `data.create`). `debug` is on: errors answer with their stack."""
    app = Starlette(
        debug=True,
        routes=[
            Route("/health", lookup.health),
            Route("/accounts/{account_id}", money.account),
            Route("/accounts/{account_id}/transactions", money.transactions),
            Route("/accounts/{account_id}/transfers", money.transfer, methods=["POST"]),
            Route("/accounts/{account_id}/statement", money.statement),
            Route("/accounts/{account_id}/upload", money.upload, methods=["PUT"]),
            Route("/search", lookup.search),
            Route("/greeting", lookup.greeting),
            Route("/statements", lookup.statement_file),
            Route("/documents/{name:path}", lookup.document),
            Route("/rates/{currency}", lookup.rate),
            Route("/reports/daily", lookup.report),
            Route("/diagnostics/lookup", lookup.host_lookup, methods=["POST"]),
            Route("/letters/preview", tools.letter),
            Route("/calculator", tools.calculator),
            Route("/logo", tools.logo),
            Route("/contacts", tools.contacts),
            Route("/colleagues", tools.colleagues),
            Route("/payments", tools.payments, methods=["POST"]),
            Route("/invitation", tools.invitation),
            Route("/preferences", tools.preferences),
            Route("/newsletter", tools.newsletter),
            Route("/profile", people.profile),
            Route("/profile", people.change_profile, methods=["PATCH"]),
            Route("/profile/avatar", people.avatar, methods=["POST"]),
            Route("/session", people.session),
            Route("/login", people.login, methods=["POST"]),
            Route("/admin/users", people.all_users),
            Route("/debug/config", people.debug_config),
        ],
    )
    app.state.directory = directory
    return app
