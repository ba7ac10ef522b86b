"""What makes those checks of the order that take more than a line to make."""

from doorward.controls import authenticate, validate
from doorward.exchange import Check
from doorward.pipeline.guarded import Guarded


def standing_check(of: Guarded) -> Check | None:
    """The check that a connection's certificate is still good; None where no client is asked for one."""
    if of.policy.tls is None or not of.policy.tls.asks_clients:
        return None
    credentials = of.credentials
    return authenticate.compile_standing_check(of.policy.authenticate, lambda: credentials.certificates)


def once_check(of: Guarded) -> Check:
    """The check that uses up whatever came that may be used once."""
    credentials = of.credentials
    return authenticate.once_check(lambda: credentials.replays)


def parameters_check(of: Guarded) -> Check:
    """The check of path, query and fields, and of the body's kind, unless that is seen only once it is opened."""
    judges_kind = not of.is_encrypted
    return validate.parameters_check(of.operation, of.validate, of.description, judges_kind=judges_kind)


def opening(of: Guarded) -> Check:
    """What opens an encrypted body, for all that follows."""
    settings = of.policy.authenticate.encrypted_body
    return authenticate.compile_opening(settings, of.credentials.encryption, of.policy.issuer.url)


def graphql_check(of: Guarded) -> Check | None:
    """The check of what a GraphQL request asks for; None where the operation takes none."""
    if of.own.graphql is None:
        return None
    # Imported by who needs it: the parser of a language is dear in memory.
    from doorward.controls.validate.graphql import compile_graphql_check  # noqa: PLC0415

    return compile_graphql_check(of.own.graphql)
