r"""Path traversal and file inclusion: whether the text, read as a path, leaves its place or names a system file.

Threat: CWE-22, CWE-36, CWE-98. A path is read segment by segment as an operating system reads it, so that `..\`,
`....//` (what is left when a filter removes `../` once), `.././` and `..;/` come out as what they are.
"""

import re
from itertools import pairwise
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_SEPARATORS: Final = re.compile(r"[/\\]+")
_TOKEN: Final = re.compile(r"[^\s\"'<>|()\[\]{},`]+")
_WRAPPER: Final = re.compile(
    r"(?:^|[\s=\"'(,;&?])(?:(php|data(?=://[\w/]*[;,])|phar|zip|expect|glob|ogg|rar|zlib|compress\.zlib"
    r"|compress\.bzip2|file)://|(netdoc"
    r"|jar:[a-z]{2,5}|file):/)"
    r"(?=\S)",
    re.IGNORECASE,
)
_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]")
_ONE_DRIVE_PATH: Final = re.compile(r"[A-Za-z]:[/\\][^:*?\"<>|\r\n;`\[\]]{0,250}")
_UNIX_AREAS: Final = frozenset({"etc", "proc", "root"})
_TELLING_NAMES: Final = frozenset(
    {
        "passwd", "shadow", "master.passwd", "group", "gshadow", "sudoers", "hosts", "boot.ini", "win.ini",
        "system.ini",
        "php.ini", "my.cnf", "my.ini", "httpd.conf", "apache2.conf", "nginx.conf", "web.xml", "web.config", ".htaccess",
        ".htpasswd", ".bash_history", ".mysql_history", ".ssh", "id_rsa", "id_dsa", "id_ed25519", "authorized_keys",
        "known_hosts", ".env", ".git", ".svn", ".aws", "environ", "cmdline", "sam", "ntuser.dat", "autoexec.bat",
        "config.sys", "unattend.xml", "unattended.xml", "sysprep.inf", "web-inf", "meta-inf", "issue", "motd",
        "fstab", "crontab", "tomcat-users.xml", "wp-config.php", "database.yml", "secrets.yml", "credentials.xml",
        "smb.conf",
        "sshd_config", "ssh_config", "resolv.conf", "pg_hba.conf", "postgresql.conf", "docker.sock", "ntds.dit",
        "pagefile.sys",
        "hiberfil.sys", "mlocate.db", "lastlog", "wtmp", "utmp", "btmp", "systemversion.plist", "grub.cfg", "shadow-",
        "passwd-",
        "applicationhost.config", "machine.config", "global.asa", "global.asax", "bootmgr", "kubeconfig", "kcore",
        "kallsyms",
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
_WEB_ROOTS: Final = (["www"], ["lib", "php"], ["lib", "mlocate"], ["run", "secrets"], ["run", "docker.sock"])
"""Below /var: what a web server shows, and what it keeps."""
_SOURCE: Final = re.compile(
    r"\.(?:php[0-9]?|phtml|inc|asp|aspx|jspx?|cgi|pl|py|rb|sql|bak|old|zip|gz|tgz|db|sqlite3?|ya?ml|war)$"
)
_SESSION: Final = re.compile(r"sess_[\w,-]{1,128}")
_DEVICES: Final = frozenset(
    {"random", "urandom", "zero", "tcp", "udp", "stdin", "stdout", "fd", "mem", "kmem", "kcore"}
)
_KERNEL: Final = frozenset({"class", "kernel", "firmware", "devices", "module", "block", "fs", "power", "bus"})
_REPOSITORIES: Final = frozenset(
    {".git", ".svn", ".hg", ".bzr", ".aws", ".docker", ".kube", ".ssh", ".gnupg", "web-inf", "meta-inf"}
)
"""Folders of a server's own that no client opens."""
_ANCHORED: Final = re.compile(
    r"(?:%(?:systemroot|windir|systemdrive|programfiles|userprofile|appdata|homedrive)%|\$\{?(?:home|pwd|oldpwd)\}?"
    r"|~|/cygdrive"
    r"/[a-z]|\\\\\?\\[a-z]:|/[a-z]:)(?=[/\\])",
    re.IGNORECASE,
)
"""What stands for an absolute place before a path: a variable, a home, a drive in another notation."""
_BRACKETED: Final = re.compile(r"(?<=[\w/])\[([\w/])[/]{0,32}\](?=[\w/]|$)|(?<=/)\[([\w])/{1,32}\]")
"""A class of one character, as shells expand it: `/etc/pas[s]wd`."""
_BESIDE: Final = re.compile(r"/[\w-]{1,64}\.\.[/\\][^\s]{1,256}")
"""`/static../x`: out of a folder that a server maps without its slash."""
_CONFIGURATION: Final = re.compile(
    r"(?:\.(?:conf|cnf|ini|log|passwd|htaccess|htpasswd|key|pem|bak|inc|sav|evt|bashrc|profile|history|log\.\d)"
    r"|[._-](?:log|conf|passwd"
    r"|history)s?|(?:^|[._-])config(?:uration)?(?:\.inc)?\.(?:php|ya?ml|json|xml|py|rb|js)|config|rejectlog|mainlog"
    r"|paniclog)$"
)
_LOGS: Final = frozenset({"log", "logs", "adm", "spool", "cron", "lock", "run", "mail", "saf"})
_HIDDEN: Final = re.compile(
    r"\.(?:ht(?:access|passwd|group)|(?:ba|z|c|k|tc)?sh(?:rc|_history|_profile|_logout)|profile|netrc|rhosts|log(?:in"
    r"|out)|ssh|env|git|svn|hg|aws"
    r"|(?:mysql|psql|python|sqlite)_history|viminfo|forward|my\.cnf|pgpass|ds_store|dockercfg|npmrc)"
)
_HEX: Final = re.compile(r"0x(2[efEF]|5[cC])")
_BARE_HEX: Final = re.compile(r"\.\.(?:2[fF]|5[cC])")
_BARE_HEX_PAIR: Final = re.compile(r"(?<=[a-z.])(?:2[fF]|5[cC])")
# Control characters and blanks that a file system layer drops; private-use and mathematical look-alikes of the slashes
# that it maps; the one-dot leader.
_MAPPED: Final = dict.fromkeys((*range(9), 11, 12, 14, 15)) | {
    0xF025: "/", 0xEFC8: "/", 0x2215: "/", 0x2216: "/", 0x2044: "/", 0x2024: ".",
}  # fmt: skip
_E: Final = r"%(?:25){0,3}"
_OVERLONG: Final = re.compile(
    rf"%%3[25]%?%[46][36]|{_E}c[01]{_E}(?:[89ab][0-9a-f]|2[ef]|5[ce]|[67]e|[ef]e|1c|[0-9a-z][g-z]|[g-z][0-9a-z])"
    rf"|{_E}(?:e0|f0{_E}80|f8{_E}80{_E}80|fc{_E}80{_E}80{_E}80){_E}80{_E}[89ab][0-9a-f]",
    re.IGNORECASE,
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no path in it leaves its place.

    >>> judge("../../etc/passwd").reason
    'a path climbs 2 directories'
    >>> judge("see ../README for more"), judge("1..5"), judge("/api/v2/items")
    (None, None, None)
    """
    if "%" in value and _OVERLONG.search(value):
        return Verdict("traversal", "an overlong or malformed encoding of a path character", 85)
    has_nul = "\x00" in value
    value = _lenient(value)
    wrapper = _WRAPPER.search(value)
    if wrapper and not is_prose(value, wrapper.start(), wrapper.end()):
        return Verdict("traversal", f"the {(wrapper[1] or wrapper[2]).lower()} stream wrapper opens a local file", 85)
    trimmed = value.strip(" \t\r\n\"'")
    is_drive_path = _ONE_DRIVE_PATH.fullmatch(trimmed) is not None
    is_alone = is_drive_path or _TOKEN.fullmatch(trimmed) is not None
    if is_drive_path:  # Windows names hold blanks: the whole text is one path
        verdict = _judge_path(trimmed, is_alone=True)
        if verdict is not None:
            return verdict
    anchor = _ANCHORED.match(trimmed)
    if anchor is not None and _TOKEN.fullmatch(trimmed, anchor.end()) is not None:
        named = [
            name
            for name in _SEPARATORS.split(trimmed[anchor.end() :].partition("\x00")[0].lower())
            if name.strip(". ?")
        ]
        if named and (
            named[-1] in _TELLING_NAMES
            or _HIDDEN.fullmatch(named[-1])
            or named[0] in _REPOSITORIES | {"windows", "winnt"}
        ):
            return Verdict("traversal", "a system file behind a variable, a home or a drive", 80)
    if is_alone and ".." in value and _BESIDE.fullmatch(trimmed):
        return Verdict("traversal", "a path out of a folder beside it", 75)
    for match in _TOKEN.finditer(value):
        verdict = _judge_path(match[0], is_alone=is_alone)
        if verdict is not None:
            return verdict
    if has_nul and (is_alone or trimmed[:1] in {"/", "\\"}) and ("." in value or "/" in value):
        return Verdict("traversal", "a NUL cuts a file name", 80)
    return None


def _lenient(value: str) -> str:
    """The text as a file system layer reads it that drops control characters and maps what it does not know."""
    if "0x" in value:
        value = _HEX.sub(lambda match: chr(int(match[1], 16)), value)
    if "[" in value and "/" in value:
        value = _BRACKETED.sub(r"\1\2", value)
    if "..2" in value or "..5" in value:
        value = _BARE_HEX_PAIR.sub("/", value) if _BARE_HEX.search(value) else value
    return value.translate(_MAPPED)


def _judge_path(text: str, *, is_alone: bool) -> Verdict | None:
    path = text.rpartition("=")[2]
    segments = _SEPARATORS.split(path)
    climbs, here, escapes = _steps(segments)
    if segments[0][-1:] == ":" and "..." in segments:  # `https://.../...`: something left out
        climbs = 0
    if len(segments) == 1:
        if is_alone and (text == ".." or _HIDDEN.fullmatch(path.lower())):
            return Verdict("traversal", "a parent directory or hidden file and nothing else", 60)
        return None
    names = [segment.partition("%00")[0].partition(";")[0].strip(" ").lower() for segment in segments]
    named = [name for name in names if name.strip(". ?")]
    telling = any(name in _TELLING_NAMES or _HIDDEN.fullmatch(name) for name in named)
    if climbs and is_alone and named and _CONFIGURATION.search(named[-1]):
        return Verdict("traversal", "a path climbs to a configuration", 80)
    if (climbs and (telling or (is_alone and (escapes or segments[0] == "")))) or (climbs >= 3 and escapes):
        return Verdict("traversal", f"a path climbs {climbs} directories", 95 if telling else 90)
    if here >= 3 or (here and telling and is_alone):
        return Verdict("traversal", f"a path names its own directory {here} times", 70)
    if is_alone and any(name == "etc" and after in _TELLING_NAMES for name, after in pairwise(named)):
        return Verdict("traversal", "a path into /etc", 85)
    is_drive = _DRIVE.match(path) is not None
    if named and (segments[0] == "" or is_drive):
        return _judge_absolute(named, telling=telling, is_alone=is_alone, is_drive=is_drive)
    if is_alone and len(named) > 1 and _is_of_the_server(named):
        return Verdict("traversal", "a file of the server's own", 80)
    if is_alone and telling and segments[0].lower() in {"~", "web-inf", "meta-inf"}:
        return Verdict("traversal", "a file of the server's own", 80)
    if is_alone and _HIDDEN.fullmatch(named[-1] if named else ""):
        return Verdict("traversal", "a hidden file of a server", 65)
    return None


def _steps(segments: list[str]) -> tuple[int, int, bool]:
    """How many segments lead to the parent directory, how many to the directory itself, and whether the path escapes.

    Three dots and more count as a parent: that is what `....//` leaves when a filter takes `../` out once. Question
    marks are what a lossy conversion makes of a dot.
    """
    climbs = here = depth = 0
    escapes = False
    for segment in segments:
        bare = segment.partition(";")[0].strip(" \t?^%")
        if bare == ".":
            here += 1
        if (bare == "." and "?" in segment) or (len(bare) > 1 and not bare.strip(".")) or segment == "??":
            climbs += 1
            depth -= 1
            escapes = escapes or depth < 0
        elif bare and bare != ".":
            depth += 1
    return climbs, here, escapes


def _judge_absolute(named: list[str], *, telling: bool, is_alone: bool, is_drive: bool) -> Verdict | None:
    is_configuration = _CONFIGURATION.search(named[-1]) is not None
    if is_alone and len(named) > 1 and (_is_of_the_server(named) or _is_telling_place(named)):
        return Verdict("traversal", "an absolute path of what a server keeps for itself", 75)
    if is_drive:
        if is_alone and (telling or is_configuration or named[1:2] in _WINDOWS_AREAS):
            return Verdict("traversal", "an absolute path of a Windows system file", 85)
        return None
    if named[0] in _UNIX_AREAS and len(named) > 1 and is_alone:
        return Verdict("traversal", f"an absolute path into /{named[0]}", 85)
    if not is_alone:
        return None
    if (
        named[0] in _UNIX_ROOTS
        and len(named) > 1
        and (
            telling
            or is_configuration
            or named[1] in _LOGS
            or (named[-1] in _LOGS and named[-2] not in {"bin", "sbin"})
        )
    ):
        return Verdict("traversal", "an absolute path of a system file", 75)
    if telling and (len(named) == 1 or named[-1].startswith(".")):
        return Verdict("traversal", "an absolute path of a system file", 70)
    return None


def _is_of_the_server(named: list[str]) -> bool:
    """Whether the path begins in a folder of a repository, of credentials or of an application's inside."""
    first, second = named[0], named[1]
    if first in {".git", ".svn", ".hg", ".bzr"}:
        return second in {
            "config",
            "head",
            "index",
            "logs",
            "refs",
            "objects",
            "entries",
            "wc.db",
            "hgrc",
            "store",
            "packed-refs",
        }
    return first in _REPOSITORIES


def _is_telling_place(named: list[str]) -> bool:
    """Whether an absolute path leads into what the system shows of itself, a web server's sources or its sessions."""
    first, second = named[0], named[1]
    if first == "dev":
        return second in _DEVICES
    if first == "sys":
        return second in _KERNEL
    if first == "var" and any(named[1 : 1 + len(place)] == place for place in _WEB_ROOTS):
        return len(named) > 2 and (_SOURCE.search(named[-1]) is not None or second != "www")
    if first in {"windows", "winnt", "library", "system"} and named[-1] in _TELLING_NAMES:
        return True
    return first in {"tmp", "var"} and _SESSION.fullmatch(named[-1]) is not None


_WINDOWS_AREAS: Final = (["windows"], ["winnt"], ["system32"], ["inetpub"], ["program files"], ["xampp"], ["boot"])
