"""A browser as small as possible: cookies, hidden fields of forms, one address of its own. It follows nothing."""

import html
import re
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from doorward.attack.wire import Answer, Connection, Target, request_bytes

_HIDDEN: Final = re.compile(r'<input type="hidden" name="([a-z]+)"[^>]{0,200} value="([^"]{0,4096})">')
_FORM: Final = "application/x-www-form-urlencoded"


class Browser:
    """One browser somewhere: the provider sees it at `address`, which its proxy (this one) vouches for."""

    def __init__(self, target: Target, origin: str, address: str) -> None:
        self._target, self.origin, self.address = target, origin, address
        self.cookies: dict[str, str] = {}
        self.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        self.page = Answer()

    def get(self, path: str, **fields: str) -> Answer:
        """The answer to a GET."""
        return self._ask("GET", f"{path}?{urlencode(fields)}" if fields else path, b"", ())

    def post(self, path: str, fields: dict[str, str], *, origin: str | None = None) -> Answer:
        """The answer to a form that is sent from a page of that origin; of the provider's own when none is named."""
        headers = (("Content-Type", _FORM), ("Origin", origin or self.origin))
        return self._ask("POST", path, urlencode(fields).encode(), headers)

    def send(self, path: str, **fields: str) -> Answer:
        """The answer to the form of the page at hand that goes to that path, filled in."""
        return self.post(path, {**self.hidden(path), **fields})

    def hidden(self, path: str) -> dict[str, str]:
        """The hidden fields of the page's form that goes to that path; none when there is no such form."""
        _, found, rest = self.page.text.partition(f'<form method="post" action="{path}">')
        if not found:
            return {}
        pairs = _HIDDEN.findall(rest.partition("</form>")[0])
        return {name: html.unescape(value) for name, value in pairs if name != "username"}

    def follow(self, answer: Answer) -> Answer:
        """The page that redirects within the provider lead to."""
        while answer.status == 303 and (answer.header("location") or "").startswith("/"):
            answer = self.get(answer.header("location") or "")
        return answer

    def _ask(self, method: str, target: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = (
            ("X-Forwarded-For", self.address),
            ("User-Agent", self.agent),
            *((("Cookie", cookies),) if cookies else ()),
            *headers,
        )
        with Connection(self._target, timeout_s=60.0) as connection:
            connection.send(request_bytes(method, target, own, body, authority=self._target.authority))
            self.page = connection.receive(method=method)
        for name, value in self.page.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return self.page


def sent_back(answer: Answer, callback: str) -> dict[str, str]:
    """What a redirect brings to the client; empty when it leads elsewhere, or nowhere."""
    location = answer.header("location") or ""
    if answer.status != 303 or not location.startswith(f"{callback}?"):
        return {}
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
