"""Signs answers, so that a client knows they are the gateway's, whole, and to its own question."""

from doorward.exchange import Exchange, Headers, Response
from doorward.signatures import Message, SignatureRefused, SigningKey, content_digest
from doorward.signatures.answers import sign_answer

_OURS = frozenset({b"content-digest", b"signature", b"signature-input"})
_BODILESS = frozenset({204, 304})


class AnswerSigner:
    """Signs with the installation's own key."""

    __slots__ = ("_id", "_key")

    def __init__(self, key_id: str, key: SigningKey) -> None:
        self._id, self._key = key_id, key

    def sign(self, exchange: Exchange, response: Response) -> None:
        """Nothing; the answer carries digest and signature, in place of any that the upstream made.

        An answer that cannot be signed (a field that is not ASCII) leaves as it is, with a finding: who demands a
        signature will refuse it.
        """
        request = exchange.request
        headers = [field for field in response.headers if field[0] not in _OURS]
        if request.method != "HEAD" and response.status not in _BODILESS:
            headers.append((b"content-digest", content_digest(response.body or b"").encode("ascii")))
        asked = Message(
            method=request.method,
            scheme=request.scheme,
            authority=request.headers.get(b"host") or b"",
            target=request.target,
            fields=request.headers,
        )
        answer = Message(status=response.status, fields=Headers(headers), request=asked)
        try:
            described, signature = sign_answer(answer, self._key, key_id=self._id, now=exchange.now)
        except SignatureRefused:
            exchange.findings.append("authenticate.unsigned_answer")
            return
        response.headers = [*headers, (b"signature-input", described), (b"signature", signature)]
