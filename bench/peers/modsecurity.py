"""nginx with ModSecurity 3 and the OWASP Core Rule Set (from Debian): blocking, body inspection on, paranoia 1."""

from pathlib import Path

from bench.peers.nginx import proxy_configuration
from bench.testbed import Command, Site

_MODULE = Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so")
_RECOMMENDED = Path("/etc/nginx/modsecurity.conf")
_RULES = Path("/usr/share/modsecurity-crs/rules")


def command(program: str, site: Site) -> Command:
    """Nginx in front of the upstream, every request and body looked at. Errors: RuntimeError without the packages."""
    missing = [path for path in (_MODULE, _RECOMMENDED, _RULES) if not path.exists()]
    if missing:
        raise RuntimeError(f"{missing[0]} is missing; hint: sh bench/install.sh")
    recommended = _RECOMMENDED.read_text(encoding="utf-8")
    enforcing = recommended.replace("SecRuleEngine DetectionOnly", "SecRuleEngine On")
    own = [
        line.replace("unicode.mapping", "/etc/nginx/unicode.mapping")
        for line in enforcing.splitlines()
        # its log of every transaction is Doorward's record: on, but to one file
        if not line.startswith(("SecAuditLog ", "SecDebugLog"))
    ]
    rules = [
        *own,
        f"SecAuditLog {site.directory}/modsec_audit.log",
        "Include /etc/modsecurity/crs/crs-setup.conf",
        f"Include {_RULES}/*.conf",
    ]
    path = site.write("modsecurity.conf", "\n".join(rules) + "\n")
    inside = f"modsecurity on; modsecurity_rules_file {path};"
    return Command(
        [program, "-c", proxy_configuration(site, inside, modules=(str(_MODULE),))],
        blocks="?q=1%27%20OR%20%271%27%3D%271%27%20--%20",
    )
