"""What programs say of themselves and ask for, in words for people. For showing only: nothing is decided by it."""

from typing import Final

from doorward.controls.authenticate import LOCAL_AUDIENCE

_SCOPES: Final = {
    "openid": "who you are",
    "profile": "your name and what else your account says of you",
    "email": "your mail address",
    "address": "your postal address",
    "phone": "your telephone number",
    "offline_access": "also while you are not there",
}
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""In this order: most browsers name others beside themselves."""
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def scope_words(scope: str) -> str:
    """What a scope of OpenID Connect means, with its name; others as they are, for only the API knows them.

    >>> scope_words("offline_access"), scope_words("orders:read")
    ('also while you are not there (offline_access)', 'orders:read')
    """
    return f"{_SCOPES[scope]} ({scope})" if scope in _SCOPES else scope


def resource_words(resource: str) -> str:
    """What a token is for; a name that people cannot know stands behind what it means.

    >>> resource_words("urn:doorward:api"), resource_words("https://api.example.com")
    ('the API (urn:doorward:api)', 'https://api.example.com')
    """
    return f"the API ({resource})" if resource == LOCAL_AUDIENCE else resource


def agent_words(agent: str) -> str:
    """Browser and system of a `User-Agent`, as it claims; the text itself where it names none that is known.

    >>> agent_words("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36")
    'Chrome on Linux'
    >>> agent_words("curl/8.9"), agent_words("")
    ('curl/8.9', 'unknown browser')
    """
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if browser and system else agent or "unknown browser"


def sentence(text: str) -> str:
    """What is said to programs in the middle of a line, as a line of its own.

    >>> sentence("there is no such client"), sentence("Try the next one."), sentence("")
    ('There is no such client.', 'Try the next one.', '')
    """
    ended = text if text.endswith((".", "!", "?")) or not text else f"{text}."
    return ended[:1].upper() + ended[1:]
