"""Policy and API description as a pipeline: every operation's plan, and what is run before one is found."""

import hmac

from doorward.controls import audit, authenticate, transport
from doorward.controls.authenticate import AnswerSigner, Credentials
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.errors import PolicyError
from doorward.operation import ApiDescription
from doorward.pipeline.fitting import require_known_schemes
from doorward.pipeline.guarded import Common, Guarded
from doorward.pipeline.order import ADDRESS, GATE
from doorward.pipeline.plan import Plan
from doorward.pipeline.planning import compile_plan
from doorward.pipeline.running import Pipeline
from doorward.pipeline.step import checks
from doorward.policy.document import Policy
from doorward.policy.openapi import undescribed
from doorward.policy.routing import Router


def compile_pipeline(
    policy: Policy,
    description: ApiDescription,
    *,
    version: str,
    credentials: Credentials,
    signer: IdentitySigner,
    counters: Counters,
    record_key: bytes,
    answers: AnswerSigner | None = None,
) -> Pipeline:
    """Policy and description as plans; `answers` signs those that the policy wants signed.

    Errors: PolicyError, naming the key that does not fit the description.
    """
    require_known_schemes(policy, description)
    mask_key = hmac.digest(record_key, b"doorward masks 1", "sha256")
    common = Common(policy, description, credentials=credentials, signer=signer, counters=counters, mask_key=mask_key)
    address, gate = checks(ADDRESS, common, policy.modes), checks(GATE, common, policy.modes)
    plans = [(each.method, each.path, compile_plan(Guarded(each, common))) for each in description.operations]
    return Pipeline(
        policy=policy,
        version=version,
        address=address,
        gate=gate,
        router=Router(plans),
        recorder=audit.Recorder(policy.audit, record_key, credential_fields=policy.authenticate.key_fields()),
        undescribed=_plans_of_the_undescribed(common),
        signer=answers,
        signed=_signed(policy, description, answers),
        cors=common.cors,
        metadata=authenticate.compile_metadata(policy.authenticate, description.operations),
    )


def _plans_of_the_undescribed(common: Common) -> dict[str, Plan]:
    """By method; none, unless the policy lets pass what the description lacks."""
    if not common.policy.insecure_undescribed:
        return {}
    lacking = [undescribed(common.description, each.decode()) for each in sorted(transport.METHODS)]
    return {each.method: compile_plan(Guarded(each, common, learns=True)) for each in lacking}


def _signed(policy: Policy, description: ApiDescription, answers: AnswerSigner | None) -> frozenset[str]:
    """The ids of the operations whose answers are signed. Errors: PolicyError when there is no key to do it with."""
    signed = frozenset(each.id for each in description.operations if policy.operation_policy(each).sign_answers)
    if signed and answers is None:
        raise PolicyError(
            "there is no key to sign answers with", key="operations", hint="`doorward key answers` makes it"
        )
    return signed
