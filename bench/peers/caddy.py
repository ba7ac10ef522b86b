"""Caddy as a plain reverse proxy."""

from bench.testbed import Command, Site


def command(program: str, site: Site) -> Command:
    """Caddy in front of the upstream, HTTP/1.1 only."""
    scheme, tls = ("https", f"tls {site.certificate} {site.key}") if site.tls else ("http", "")
    config = f"""{{
  admin off
  auto_https disable_redirects
  storage file_system {site.directory}
  log default {{
    level ERROR
  }}
  servers {{
    protocols h1
  }}
}}
{scheme}://127.0.0.1:{site.port} {{
  {tls}
  reverse_proxy 127.0.0.1:{site.upstream_port}
}}
"""
    path = site.write("Caddyfile", config)
    environment = {"GOMAXPROCS": "1", "HOME": str(site.directory)}
    return Command([program, "run", "--adapter", "caddyfile", "--config", path], environment)
