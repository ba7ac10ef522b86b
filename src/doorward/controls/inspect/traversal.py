r"""Path traversal and file inclusion: whether the text, read as a path, leaves its place or names a system file.

Threat: CWE-22, CWE-36, CWE-98. A path is read segment by segment as an operating system reads it, so that `..\`,
`....//` (what is left when a filter removes `../` once), `.././` and `..;/` come out as what they are.
"""

import re
from typing import Final

from doorward.controls.inspect.verdict import Verdict

_SEPARATORS: Final = re.compile(r"[/\\]+")
_TOKEN: Final = re.compile(r"[^\s\"'<>|()\[\]{},`]+")
_NUL_NAME: Final = re.compile(r"\x00")
_WRAPPER: Final = re.compile(
    r"(?:^|[\s=\"'(,;&?])(php|phar|zip|expect|glob|ogg|rar|zlib|compress\.zlib|compress\.bzip2|netdoc|jar:[a-z]{2,5}|file):/{0,3}([^\s]?)",
    re.IGNORECASE,
)
_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]")
_UNIX_AREAS: Final = frozenset({"etc", "proc", "root"})
_TELLING_NAMES: Final = frozenset(
    {
        "passwd", "shadow", "master.passwd", "group", "gshadow", "sudoers", "hosts", "boot.ini", "win.ini",
        "system.ini",
        "php.ini", "my.cnf", "my.ini", "httpd.conf", "apache2.conf", "nginx.conf", "web.xml", "web.config", ".htaccess",
        ".htpasswd", ".bash_history", ".mysql_history", ".ssh", "id_rsa", "id_dsa", "id_ed25519", "authorized_keys",
        "known_hosts", ".env", ".git", ".svn", ".aws", "environ", "cmdline", "sam", "ntuser.dat", "autoexec.bat",
        "config.sys", "unattend.xml", "sysprep.inf", "web-inf", "meta-inf", "issue", "motd", "fstab", "crontab",
        "access_log", "error_log", "access.log", "error.log",
    }
)  # fmt: skip
_UNIX_ROOTS: Final = frozenset(
    {
        "etc", "proc", "root", "var", "usr", "home", "opt", "dev", "sys", "boot", "srv", "mnt", "private", "library",
        "volumes", "system", "www", "apache", "apache2", "xampp", "logs", "log", "nginx", "httpd", "mysql", "local",
        "tmp", "web", "bin", "sbin", "usr1", "program files", "php", "php4", "php5",
    }
)  # fmt: skip
_CONFIGURATION: Final = re.compile(
    r"(?:\.(?:conf|cnf|ini|log|passwd|htaccess|key|pem|bak|old|inc|sav|evt|rc|bashrc|profile|history)|[._-](?:log|conf|passwd|history)|config|conf|rejectlog|mainlog)$"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no path in it leaves its place.

    >>> judge("../../etc/passwd").reason
    'a path climbs 2 directories'
    >>> judge("see ../README for more"), judge("1..5"), judge("/api/v2/items")
    (None, None, None)
    """
    wrapper = _WRAPPER.search(value)
    if wrapper and (wrapper[1].lower() != "file" or wrapper[0].endswith(("/", "//", "///")) or wrapper[2]):
        scheme = wrapper[1].lower()
        if scheme != "file" or "/" in wrapper[0] or "\\" in wrapper[0]:
            return Verdict("traversal", f"the {scheme} stream wrapper opens a local file", 85)
    is_alone = _TOKEN.fullmatch(value.strip(" \t\r\n\x00")) is not None
    for match in _TOKEN.finditer(value):
        verdict = _judge_path(match[0], is_alone=is_alone)
        if verdict is not None:
            return verdict
    return None


def _judge_path(token: str, *, is_alone: bool) -> Verdict | None:
    if "/" not in token and "\\" not in token:
        return Verdict("traversal", "a parent directory and nothing else", 60) if is_alone and token == ".." else None
    before, _, token = token.rpartition("=") if "=" in token else ("", "", token)
    segments = _SEPARATORS.split(token)
    climbs = here = 0
    for segment in segments:
        bare = segment.strip(" \t\x00;").partition(";")[0]
        if len(bare) >= 2 and not bare.strip("."):
            climbs += 1
        elif bare == ".":
            here += 1
    names = [segment.partition("\x00")[0].partition("%00")[0].lower() for segment in segments]
    named = [name for name in names if name.strip(". ;")]
    telling = next((name for name in named if name in _TELLING_NAMES), "")
    if climbs and telling:
        return Verdict("traversal", f"a path climbs {climbs} directories", 95)
    if climbs >= 3 or (climbs and is_alone):
        return Verdict("traversal", f"a path climbs {climbs} directories", 90)
    if here >= 3:
        return Verdict("traversal", f"a path names its own directory {here} times", 70)
    is_absolute = token[:1] in {"/", "\\"} or _DRIVE.match(token) is not None
    if is_absolute and named:
        return _judge_absolute(named, telling, is_alone=is_alone, is_drive=_DRIVE.match(token) is not None)
    if "\x00" in token:
        return Verdict("traversal", "a NUL cuts a file name", 90)
    return None


def _judge_absolute(named: list[str], telling: str, *, is_alone: bool, is_drive: bool) -> Verdict | None:
    if is_drive:
        if is_alone and (telling or _CONFIGURATION.search(named[-1]) or named[1:2] in (["windows"], ["winnt"])):
            return Verdict("traversal", "an absolute path of a Windows system file", 85)
        return None
    if named[0] in _UNIX_AREAS and len(named) > 1 and (is_alone or telling):
        return Verdict("traversal", f"an absolute path into /{named[0]}", 85)
    if is_alone and named[0] in _UNIX_ROOTS and len(named) > 1 and (telling or _CONFIGURATION.search(named[-1])):
        return Verdict("traversal", "an absolute path of a system file", 75)
    return None
