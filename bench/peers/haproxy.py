"""HAProxy as a plain reverse proxy, one thread."""

from bench.testbed import Command, Site


def command(program: str, site: Site) -> Command:
    """HAProxy in front of the upstream."""
    tls = f"ssl crt {site.both} alpn http/1.1" if site.tls else ""
    config = f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend front
  bind 127.0.0.1:{site.port} {tls}
  default_backend api
backend api
  server api 127.0.0.1:{site.upstream_port} pool-max-conn 64
"""
    return Command([program, "-db", "-f", site.write("haproxy.cfg", config)])
