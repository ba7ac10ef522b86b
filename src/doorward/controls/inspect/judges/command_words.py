"""The names of programs that injected commands call, and what their arguments look like."""

import re
from typing import Final

INTERPRETERS: Final = frozenset(
    {
        "bash", "sh", "zsh", "ksh", "csh", "dash", "python", "python2", "python3", "perl", "ruby", "php", "node", "lua",
        "cmd", "powershell", "pwsh", "nc", "ncat", "netcat", "wget", "curl", "telnet", "socat", "mshta",
        "certutil", "rundll32",
    }
)  # fmt: skip
LEADS: Final = frozenset({"eval", "exec", "command", "builtin", "then", "do", "else", "call"})
"""Words before a command that belong to the shell."""
ENGLISH: Final = frozenset(
    {
        "install", "screen", "comm", "diff", "timeout",
        "at", "cat", "copy", "cut", "date", "del", "echo", "env", "export", "find", "finger", "fold", "free",
        "groups", "head", "help",
        "history", "host", "id", "join", "kill", "last", "less", "look", "mail", "make", "man", "mount", "more",
        "move", "net", "nice",
        "nl", "node", "paste", "ping", "print", "ps", "read", "reboot", "replace", "reset", "ruby", "set",
        "shutdown", "sleep", "sort", "source",
        "split", "start", "tail", "tee", "telnet", "test", "time", "top", "touch", "tree", "type", "uniq", "users",
        "ver", "vol", "w", "wall", "watch", "where",
        "which", "who", "write", "yes", "perl", "python", "route", "arp", "dig", "rev", "sh", "strings", "tar",
        "zip", "cp", "mv", "rm", "dd",
    }
)  # fmt: skip
"""Of `WORDS`: those that honest text also uses where a separator stands before them."""
WORDS: Final = INTERPRETERS | ENGLISH | frozenset(
    {
        "awk", "apt", "apt-get", "base64", "chmod", "chown", "chroot", "crontab", "cscript", "df", "dir", "dmesg",
        "du", "expr", "ftp",
        "gawk", "gcc", "getent", "getfacl", "grep", "egrep", "gzip", "gunzip", "hexdump", "hostname", "ifconfig",
        "ipconfig", "iptables", "insmod",
        "killall", "ln", "ls", "lsb_release", "lsmod", "lsof", "mkdir", "mkfifo", "mknod", "mysql", "nano",
        "netsh", "netstat", "nmap",
        "nohup", "nslookup", "od", "openssl", "passwd", "pgrep", "pkill", "printenv", "printf", "psql", "pwd",
        "reg", "rmdir", "rsync", "schtasks",
        "scp", "sed", "shred", "ss", "ssh", "stat", "su", "sudo", "systeminfo", "sysinfo", "systemctl", "taskkill",
        "tasklist", "tcpdump", "tftp", "tracert",
        "traceroute", "uname", "unzip", "uptime", "useradd", "usermod", "vi", "vim", "whoami", "wmic", "wscript",
        "xargs", "xxd", "xterm",
        "calc", "calc.exe", "notepad", "iwr", "irm", "explorer",
        "get-process", "get-content", "invoke-expression", "iex", "invoke-webrequest", "gci", "get-childitem",
        "start-process",
        "bitsadmin", "regsvr32", "attrib", "cacls", "icacls", "fsutil", "vssadmin", "bcdedit", "diskpart",
        "mimikatz", "busybox", "ip", "tac", "sha1sum", "md5sum",
        "lynx", "fetch", "phpinfo", "zcat", "zgrep", "bzcat", "xzcat", "zstdcat", "zless", "diff", "cmp", "comm", "tr",
        "git", "pip", "pip3", "npm", "npx", "yarn", "docker", "podman", "kubectl", "helm", "sqlite3", "mongo",
        "redis-cli", "aws", "gcloud", "java", "javac", "cargo", "timeout", "strace", "gdb", "tclsh", "screen", "tmux",
        "killall5", "pkexec", "doas", "getcap", "setcap", "mkpasswd", "chattr", "lsattr", "lscpu", "lsblk", "pstree",
        "rmmod",
        "ssh-copy-id", "ssh-keygen", "install", "ps2", "htop", "vmstat", "iostat", "showmount", "rpcinfo", "smbclient",
        "ldapsearch", "dig", "hping3", "masscan", "bcdboot", "findstr", "forfiles", "hh", "msiexec", "cmstp",
        "odbcconf",
        "invoke-command", "get-wmiobject", "get-service", "set-content", "out-file", "new-item", "remove-item",
        "copy-item", "get-acl", "get-item", "start-job", "start-sleep", "stop-process", "restart-computer", "getmac",
        "driverquery", "quser", "qwinsta", "arp", "tnsping", "sc", "at.exe",
    }
)  # fmt: skip

_PATH: Final = re.compile(
    r"(?:^|[\s<>=\"'@:])(?:/[\w?*.$\[\]{}-]|\.{1,2}/|~|[A-Za-z]:(?:[\\/]|$|%)|\\\\|\$\(|%[A-Za-z]+%|\$[A-Z{]|\*)"
)
PROBES: Final = frozenset(
    {"id", "env", "date", "dir", "ps", "who", "w", "set", "users", "free", "top", "help", "last", "history", "host",
    "mount",
     "groups", "route", "arp", "vol", "ver", "tree", "time", "shutdown", "reboot", "sleep", "cat", "echo", "yes"}
)  # fmt: skip
"""Of the English words: those that do something telling without an argument."""

TELLING: Final = frozenset(
    {"ls", "rm", "uname", "ifconfig", "netstat", "chmod", "chown", "useradd", "usermod", "crontab", "nslookup", "nc",
    "ncat",
     "netcat", "wget", "shutdown", "kill", "ping", "find", "ps", "cat", "tail", "head", "id", "dig", "telnet",
     "tcpdump",
     "iptables", "nmap", "mkfifo", "xxd", "getent", "traceroute", "tracert", "wmic", "tasklist", "taskkill",
     "systeminfo"}
)  # fmt: skip
"""Programs whose command line nobody types into a form, in contrast to those that build and deploy."""

DEPLOYING: Final = frozenset(
    {
        "npm",
        "npx",
        "yarn",
        "pip",
        "pip3",
        "git",
        "docker",
        "podman",
        "kubectl",
        "helm",
        "cargo",
        "java",
        "javac",
        "aws",
        "gcloud",
    }
)
BUILDING: Final = frozenset(
    {"npm", "npx", "yarn", "pip", "pip3", "git", "docker", "podman", "kubectl", "helm", "cargo", "make", "java",
    "javac", "gcc",
     "python", "python3", "node", "php", "ruby", "aws", "gcloud", "apt", "apt-get", "mkdir", "tar", "unzip", "zip",
     "gzip", "rsync",
     "cp", "mv", "echo", "export", "source", "test", "set", "gunzip", "install"}
)  # fmt: skip
"""Programs of scripts that build and deploy: honest APIs are handed whole lines of them."""

ACTING: Final = frozenset(
    {
        "start",
        "copy",
        "del",
        "calc",
        "iex",
        "notepad",
        "ver",
        "echo",
        "printf",
        "mv",
        "cp",
        "rm",
        "ln",
        "touch",
        "which",
        "kill",
        "su",
        "mkdir",
        "rmdir",
        "type",
        "cat",
    }
)

_OPTION: Final = re.compile(r"(?:^|\s)(?:-{1,2}[A-Za-z]|/[A-Za-z?]{1,3}(?:\s|$))")
_NUMBER: Final = re.compile(r"\d+[smhd]?(?:\s|$|[)};])")
_ADDRESS: Final = re.compile(
    r"(?:https?|ftp)://|\d{1,3}(?:\.\d{1,3}){3}|[\w-]+\.(?:com|net|org|io|ru|cn|oast|[a-z]{2,12})\b|localhost"
)
_FILE: Final = re.compile(
    r"[\w-]+\.(?:txt|php|ini|conf|log|sh|py|pl|exe|bat|ps1|html?|sql|jsp|aspx?|bak|env|key|pem)\b|\betc/|\bpasswd\b"
)
_QUOTED: Final = re.compile(r"[\"'$`<>\\]")
_COMES_AT_ONCE: Final = re.compile(
    r"-{1,2}\w|/|\.(?=\s|$)|\.{1,2}/|~/|\$|\*(?! \*)|[A-Za-z]:(?:[\\/]|\s|$)|[\"'`<>%\\]"
)
_READERS: Final = frozenset(
    {
        "type",
        "more",
        "less",
        "head",
        "tail",
        "rm",
        "touch",
        "sh",
        "php",
        "perl",
        "python",
        "ruby",
        "node",
        "tee",
        "tar",
        "dd",
    }
)
_NUMBERED: Final = frozenset({"sleep", "timeout", "kill", "ping", "chmod"})
_ADDRESSED: Final = frozenset(
    {
        "ping",
        "curl",
        "wget",
        "nslookup",
        "dig",
        "telnet",
        "nc",
        "ncat",
        "netcat",
        "ssh",
        "ftp",
        "tftp",
        "traceroute",
        "tracert",
        "lynx",
        "fetch",
    }
)
_SUBCOMMANDS: Final[dict[str, frozenset[str]]] = {
    "net": frozenset({"user", "users", "view", "localgroup", "group", "share", "start", "stop", "use", "accounts"}),
    "ip": frozenset({"a", "addr", "route", "link"}),
    "reg": frozenset({"query", "add", "delete", "save"}),
    "wmic": frozenset({"process", "os", "useraccount"}),
    "systemctl": frozenset({"stop", "start", "status"}),
    "sc": frozenset({"query", "stop"}),
    "type": frozenset({"con"}),
    "echo": frozenset({"vulnerable"}),
    "uname": frozenset({"-a"}),
    "ps": frozenset({"aux", "axu", "auxww", "ax", "ef"}),
    "docker": frozenset({"ps", "run", "exec", "images", "info"}),
    "kubectl": frozenset({"get", "exec", "auth", "config"}),
    "git": frozenset({"clone", "config", "log", "status"}),
    "pip": frozenset({"install", "download"}),
    "pip3": frozenset({"install", "download"}),
    "npm": frozenset({"i", "install", "exec"}),
    "bcdboot": frozenset({"/r"}),
    "which": INTERPRETERS,
    "netsh": frozenset({"firewall", "advfirewall", "interface"}),
    "apt-get": frozenset({"install"}),
    "cat": frozenset({"flag"}),
}


def takes(name: str, arguments: str) -> bool:
    """Whether the text after a command's name reads as its arguments: an option, a path, a file, an address."""
    if not arguments or arguments.startswith("- "):
        return False
    if arguments.startswith("<<<"):
        return True  # a string as input
    if name == "sleep":
        return _NUMBER.match(arguments) is not None or arguments.startswith(("$(", "`", "${IFS"))
    if name in ENGLISH:  # what makes it a command line must come at once, or it is a sentence
        if not (_COMES_AT_ONCE.match(arguments) or name in _NUMBERED | _ADDRESSED | _READERS or name in _SUBCOMMANDS):
            return name in {"echo", "print"} and bool(_QUOTED.match(arguments))
        arguments = " ".join(arguments.split(" ", 2)[:2])
    if _OPTION.search(arguments[:64]) or _PATH.search(arguments[:96]):
        return True
    if name in _NUMBERED and _NUMBER.match(arguments):
        return True
    if name in _ADDRESSED and "@" not in arguments and _ADDRESS.search(arguments):
        return True
    if arguments.partition(" ")[0].lower() in _SUBCOMMANDS.get(name, ()):
        return True
    if name in {"echo", "printf", "print"}:
        return bool(_QUOTED.search(arguments[:64])) or (" " not in arguments and len(arguments) > 3)
    return bool(_FILE.search(arguments[:64]))
