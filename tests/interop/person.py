"""A person with a browser, as far as forms and redirects go: signs in, agrees, and says where they land."""

import ssl
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

PATIENCE_S = 30.0


class Person:
    """One browser of one person. It follows redirects within the provider and stops where they lead elsewhere."""

    def __init__(
        self, issuer: str, name: str, password: str, trust: ssl.SSLContext, *, also: tuple[str, ...] = ()
    ) -> None:
        """`also`: other providers where this person signs in too."""
        self.issuer, self.name, self.password = issuer, name, password
        self._homes = (issuer, *also)
        self.seen: list[str] = []
        """Paths of the forms that were filled in."""
        self._http = httpx.Client(verify=trust, timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def visit(self, url: str, *, answer: str = "allow") -> str:
        """Where the browser is sent in the end, away from the provider; or the page it stays at."""
        page = self._http.get(url)
        while True:
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["location"])
                if not self._is_provider(target):
                    return target
                page = self._http.get(target)
                continue
            form = _first_form(page.text)
            if form is None or page.url.path == "/account":
                return str(page.url)
            self.seen.append(urlsplit(form.action).path)
            assert len(self.seen) < 12, (self.seen, page.text)
            filled = {"name": self.name, "login": self.name, "password": self.password, "answer": answer}
            # a device's code stands in its field already, when its link was followed
            filled["code"] = form.asked.get("code", "")
            fields = form.hidden | {name: value for name, value in filled.items() if name in form.asked}
            target = urljoin(str(page.url), form.action)
            place = urlsplit(target)
            page = self._http.post(target, data=fields, headers={"origin": f"{place.scheme}://{place.netloc}"})

    def get(self, url: str) -> httpx.Response:
        return self._http.get(url)

    def _is_provider(self, url: str) -> bool:
        return url.startswith(tuple(f"{home}/" for home in self._homes))


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        """Fields to fill in, and what stands in them."""
        self._is_over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_over = bool(self.action)
            self.action = self.action or given.get("action", "")
        elif tag in {"input", "button"} and self.action and not self._is_over and "name" in given:
            if given.get("type") == "hidden":
                self.hidden[given["name"]] = given.get("value", "")
            else:
                self.asked[given["name"]] = given.get("value", "")


def _first_form(text: str) -> _Form | None:
    form = _Form()
    form.feed(text)
    return form if form.action else None
