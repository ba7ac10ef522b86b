r"""Server-side request forgery: URLs that lead an API to itself, to its neighbours or to a cloud's metadata service.

Threat: CWE-918; OWASP API7:2023. What counts is the machine that some URL parser would take for the host: addresses in
octal, hexadecimal or one number, names that resolve to them, user information and backslashes that move the host, and
schemes that speak other protocols. A developer's `http://localhost:3000/` passes: by name, on a port of applications.
"""

import re
from typing import Final
from urllib.parse import unquote

from doorward.controls.inspect.judges.hosts import Place, address_of, is_rebinding, place_of
from doorward.controls.inspect.verdict import Verdict

_URL: Final = re.compile(
    r"[\s\"'<(\x00]{0,16}(?:url\s{0,4}[:=]\s{0,4}[\"']?)?(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,20}):(?P<slashes>[/\\]"
    r"{0,8})|(?P<relative>[/\\]{2,8}))(?P<rest>[^\s\"'<>\x00]{1,2048})"
)
_FOREIGN: Final = frozenset(
    {
        "gopher",
        "gophers",
        "dict",
        "tftp",
        "netdoc",
        "ldap",
        "ldaps",
        "ldapi",
        "rmi",
        "iiop",
        "jar",
        "local_file",
        "local-file",
        "expect",
        "phar",
        "sftp",
        "smb",
        "view-source",
        "redis",
        "memcached",
        "afp",
        "telnet",
        "imap",
        "pop3",
    }
)
"""Schemes that no API fetches for a user, and that speak to services of an internal network."""
_FETCHED: Final = frozenset(
    {"http", "https", "ftp", "ftps", "ws", "wss", "url", "rtmp", "feed", "rsync", "git", "svn", "sip", "nntp", "rtsp"}
)
_DATABASES: Final = frozenset(
    {"mysql", "mariadb", "postgres", "postgresql", "mongodb", "mssql", "oracle", "ssh", "amqp", "amqps", "mqtt",
    "rediss",
     "cassandra", "clickhouse", "zookeeper", "kafka", "nfs", "vnc", "rdp", "docker", "unix", "consul", "etcd",
     "memcache"}
)  # fmt: skip
"""Schemes of services that listen inside: harmless by a name, telling by an address of the machine itself."""
_PORT: Final = re.compile(r":([0-9]{0,8})$")
_SERVICE_PORTS: Final = frozenset(
    {
        "21", "22", "23", "25", "53", "80", "110", "111", "135", "139", "143", "389", "443", "445", "587", "873",
        "1099", "1433", "1521", "2049", "2181", "2375", "2376", "2379", "2380", "3306", "3389", "4194", "4646",
        "5432", "5601", "5672", "5900", "5984", "5985", "6379", "6443", "7001", "8009", "8086", "8200", "8500", "8983",
        "9042", "9092", "9200", "9300", "10250", "10255", "11211", "15672", "27017", "50070",
    }
)  # fmt: skip
"""Where services listen that are not meant for everybody: shells, mail, databases, caches, container engines."""
_TELLING_PATH: Final = re.compile(
    r"/(?:latest|computeMetadata|meta-?data|opc|openstack|hetzner|user-?data|server-status|server-info|nginx_status"
    r"|admin\w{0,16}|console|manager|actuator|jolokia|env|debug|internal"
    r"|\.env|\.git|phpmyadmin|_cat|_search|v1/(?:agent|kv|catalog)|containers|version|api/v1/(?:secrets|pods"
    r"|namespaces)|secret\w{0,8}|flag|etc|phpinfo\w{0,4}|config\w{0,8}|private|status)(?:[/?#.]|$)",
    re.IGNORECASE,
)
_DISGUISED_PATH: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\\@#]")
_BARE_HEX: Final = re.compile(
    r"0[xX][0-9a-fA-F]{2,8}(?:\.(?:0[xX])?[0-9a-fA-F]{1,8}){1,3}|0[0-3][0-7]{2}(?:\.(?:0[xX][0-9a-fA-F]{1,2}"
    r"|0[0-7]{1,3})){1,3}"
)
_BARE_PLACE: Final = re.compile(
    r"(?:169\.254\.169\.254|metadata\.google\.internal|100\.100\.100\.200|192\.0\.0\.192|localhost|127\.[0-9.]{3,11}"
    r"|\[::1?\])(?::[0-9]{1,5})?/(?P<path>.{0,128})",
    re.DOTALL,
)
_WITHIN: Final = re.compile(
    r"(?:https?|ftps?):/{2,4}(?:[^\s/@\"'<>]{1,64}@)?(0[xX][0-9a-fA-F]{1,8}(?:\.(?:0[xX])?[0-9a-fA-F]{1,8}){0,3}"
    r"|[0-9]{8,10}|0[0-7]{2,11}(?:\.[0-9]{1,11}){0,3})"
    r"(?=[/:?#\s\"'>]|$)"
)
_SCRIPT: Final = re.compile(
    r"(?:^|[=\s\"'])(?:https?|ftps?):/{1,4}[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?/[^\s\"'?&%]{0,256}\.(?:txt"
    r"|php[0-9]?|phtml|inc|asp|aspx|jsp|cgi|pl|dtd|sh)(?=[?%\s\"'&\x00]|$)",
    re.IGNORECASE,
)
_V6_LOOPBACK: Final = re.compile(
    r"(?:0{1,4}:){7}0{0,3}1|(?:0{1,4}:){5}ffff:127\.[0-9.]{3,11}|(?:0{1,4}:){6}127\.[0-9.]{3,11}", re.IGNORECASE
)
_PREFIX: Final = re.compile(r"\s{0,4}[?&]?[A-Za-z_]{1,24}=(?=(?:[a-z]{2,12}:)?[/\\]{2})", re.IGNORECASE)
"""The name of a parameter that came along with its value."""
_NESTED: Final = re.compile(r"[?&;=#](?:[A-Za-z_][\w.\[\]-]{0,32}=)?(?=https?:[/\\]{2})", re.IGNORECASE)
_NESTED_READ: Final = 8
"""URLs within a URL that are looked at."""
_BLANK_AUTHORITY: Final = re.compile(
    r"\s{0,4}(?:https?|ftp)://[^\s/]{1,128}[ \t]{1,4}[&#]?@([^\s/?#@]{1,128})", re.IGNORECASE
)
_BARE_TELLING: Final = re.compile(
    r"(?:169\.254\.169\.254|100\.100\.100\.200|metadata\.google\.internal|instance-data\.ec2\.internal|metadata\.goog"
    r"|\[::ffff:(?:7f00:1|127\.0\.0\.1|a9fe:a9fe|169\.254\.169\.254)\])(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
_BARE_OCTAL: Final = re.compile(r"0[0-3][0-7]{2}(?:\.[0-9]{1,4}){1,3}")
_BARE_AUTHORITY: Final = re.compile(r"(?:[^\s/@]{1,64}@)?(?:\[|[0-9]{8,10}(?![0-9])|[0-9]{1,12}\.|0[xX][0-9a-fA-F]{2})")
"""An address, where a URL has no slashes."""
_BARE_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.){1,16}[A-Za-z]{2,12}\.?")
_ROOT: Final = re.compile(r"[/\\]?(?:[?#].{0,64})?")
_INNER_NAME: Final = re.compile(
    r"[a-z][a-z0-9-]{0,62}|[a-z0-9.-]{1,200}\.(?:internal|consul|svc|local|lan|corp|intranet|intra|localdomain)"
)
_WORDS: Final[dict[Place, str]] = {
    "loopback": "the API's own machine",
    "metadata": "a cloud's metadata service",
    "link-local": "a link-local address",
    "private": "a private address",
    "unspecified": "the unspecified address, which is the API's own machine",
    "disguised": "an address in disguise",
}


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when following it leads to no machine but such as clients may reach.

    >>> judge("http://169.254.169.254/latest/meta-data/").reason
    "a URL of a cloud's metadata service"
    >>> judge("http://localhost:3000/callback"), judge("https://example.com/?at=127.0.0.1"), judge("127.0.0.1")
    (None, None, None)
    """
    prefix = _PREFIX.match(value)
    match = _URL.match(value, prefix.end() if prefix is not None else 0)
    if match is not None:
        verdict = _judge_url(match)
        if verdict is None and "//" in match["rest"]:
            verdict = _judge_nested(match["rest"])
        if verdict is not None:
            return verdict
    match = _BLANK_AUTHORITY.match(value)
    if match is not None and place_of(match[1].rpartition(":")[0] or match[1]):
        return _verdict("a blank in the authority of a URL, and another host behind it", 80)
    trimmed = value.strip(" \t\r\n\"'")
    if _BARE_HEX.fullmatch(trimmed) and address_of(trimmed) is not None:
        return _verdict("an address in disguise", 70)
    if _V6_LOOPBACK.fullmatch(trimmed):
        return _verdict("an address of the API's own machine, written out", 65)
    if _BARE_TELLING.fullmatch(trimmed):
        return _verdict("an address of a metadata service or of the machine itself, and nothing else", 65)
    if _BARE_OCTAL.fullmatch(trimmed) and address_of(trimmed) is not None:
        return _verdict("an address in disguise", 65)
    if _BARE_NAME.fullmatch(trimmed) and is_rebinding(trimmed):
        return _verdict("a name that exists to mean another machine later", 70)
    match = _WITHIN.search(value)
    if match is not None and address_of(match[1]) is not None:
        return _verdict("an address in disguise", 75)
    match = _SCRIPT.search(value)
    if match is not None:
        return _verdict("a script on a bare address, to be included by another", 75)
    match = _BARE_PLACE.match(trimmed)
    if match is not None and _TELLING_PATH.match("/" + match["path"]):
        return _verdict("a path of an internal service", 75)
    return None


def _judge_url(match: re.Match[str]) -> Verdict | None:
    scheme = (match["scheme"] or "http").lower()
    if scheme in _DATABASES and match["slashes"]:
        host = _hosts(match["rest"])[0][0]
        place = place_of(host)
        return (
            _verdict(f"a URL of {_WORDS[place]} ({scheme})", 75)
            if place not in {"", "private"} and not _is_dev_name(host)
            else None
        )
    if scheme in _FOREIGN and (match["slashes"] or scheme == "jar"):
        return _verdict(f"a URL of another protocol ({scheme})", 85)
    if scheme not in _FETCHED and scheme != "url":
        return None
    rest = match["rest"]
    if scheme == "url":  # Java's `url:http://...`
        inner = _URL.match(rest)
        return _judge_url(inner) if inner is not None and inner["scheme"] != "url" else None
    if not match["slashes"] and not match["relative"] and not _BARE_AUTHORITY.match(rest):
        return None  # `http:word` is prose, `http:80` a port
    for host, path in _hosts(rest):
        place = place_of(host)
        if place == "" and ("$" in host or "`" in host):
            return _verdict("a host that a shell or template fills in", 60)
        if place == "private":
            if _TELLING_PATH.search(path.partition("#")[0]) or _is_service_port(rest):
                return _verdict("a URL of a private address", 70)
        elif place == "" and _INNER_NAME.fullmatch(host.lower()):
            if _is_service_port(rest) and "." not in host.partition(".internal")[0]:
                return _verdict("a URL of a service of the internal network", 60)
        elif place == "loopback" and _is_dev_name(host):
            if _is_hostile_localhost(rest, path):
                return _verdict(f"a URL of {_WORDS[place]}", 70)
        elif place:
            return _verdict(f"a URL of {_WORDS[place]}", 85)
    return None


def _hosts(rest: str) -> list[tuple[str, str]]:
    """The hosts that different parsers read in what follows the slashes, each with its path.

    They differ about where the authority ends (at `/` only, or at `?`, `#` and a backslash too) and about which `@`
    ends the user information (the first or the last).
    """
    found: list[tuple[str, str]] = []
    for end in (re.search(r"[/?#\\]", rest), re.search(r"[/?#]", rest), re.search("/", rest)):
        position = end.start() if end is not None else len(rest)
        authority, path = rest[:position], rest[position:]
        for place in {
            authority.rpartition("@")[2],
            authority.partition("@")[2] or authority,
            authority.partition("@")[0] if "@" in authority and ":" not in authority.partition("@")[0] else authority,
            *([authority.split("@", 2)[1]] if authority.count("@") > 1 else ()),
        }:
            host = unquote(place)
            port = _PORT.search(host)
            if port is not None and not (host.count(":") > 1 and "]" not in host):
                host = host[: port.start()]
            host = (
                re.split(r"[/?#\\ ,;]", host, maxsplit=1)[0]
                if not host.startswith("[")
                else host.partition("]")[0] + "]"
            )
            if (host, path) not in found:
                found.append((host, path))
    return found


def _is_hostile_localhost(rest: str, path: str) -> bool:
    port = re.match(r"[^/?#:]{1,64}:([0-9]{1,5})", rest)
    return (
        (port is not None and port[1] in _SERVICE_PORTS)
        or _TELLING_PATH.search(path) is not None
        or _DISGUISED_PATH.search(rest.partition("?")[0].partition("#")[0]) is not None
        or (port is None and _ROOT.fullmatch(path) is not None)
    )


def _is_dev_name(host: str) -> bool:
    """Whether the host is the developer's own machine by its name."""
    name = host.lower().rstrip(".").partition(":")[0]
    return name == "localhost" or name.endswith(".localhost")


def _is_service_port(rest: str) -> bool:
    """Whether the URL names a port of services that are not meant for everybody; the web's own two aside."""
    port = re.match(r"[^/?#:]{1,200}:([0-9]{1,5})(?![0-9])", rest)
    return port is not None and port[1] in _SERVICE_PORTS - {"80", "443"}


def _judge_nested(rest: str) -> Verdict | None:
    """The verdict on URLs that a URL carries in its query: where a redirect or a proxy would lead."""
    for _, inner in zip(range(_NESTED_READ), _NESTED.finditer(rest), strict=False):
        match = _URL.match(rest, inner.end())
        if match is None:
            continue
        for host, path in _hosts(match["rest"].partition("&")[0]):
            place = place_of(host)
            if place in {"metadata", "disguised", "link-local"} or (place == "loopback" and _TELLING_PATH.search(path)):
                return _verdict(f"a URL within a URL, of {_WORDS[place]}", 75)
    return None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("ssrf", reason, score)
