"""nginx as a plain reverse proxy with kept upstream connections; also the upstream of every benchmark."""

import json

from bench.testbed import Command, Site

ANSWER = json.dumps(
    {
        "id": "o-1001",
        "customer": "c-1001",
        "status": "open",
        "total": 61.98,
        "items": [
            {"sku": "A-100", "quantity": 2, "price": 19.99},
            {"sku": "B-200", "quantity": 1, "price": 5.5},
            {"sku": "C-300", "quantity": 10, "price": 0.75},
        ],
    }
)

_FRAME = """\
{modules}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 100000000;
{inside}
}}
"""


def command(program: str, site: Site) -> Command:
    """The command of nginx in front of the upstream."""
    return Command([program, "-c", proxy_configuration(site)])


def proxy_configuration(site: Site, more: str = "", modules: tuple[str, ...] = ()) -> str:
    """The path of a configuration that proxies; `more` stands in its server block."""
    tls = f"ssl_certificate {site.certificate}; ssl_certificate_key {site.key};" if site.tls else ""
    inside = f"""
  upstream api {{ server 127.0.0.1:{site.upstream_port}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{site.port} {"ssl" if site.tls else ""} reuseport;
    {tls}
    {more}
    location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}"""
    return _config(site, "nginx.conf", inside, modules)


def upstream_command(program: str, site: Site) -> Command:
    """The command of nginx as the upstream: one fixed JSON answer to everything."""
    inside = f"""
  server {{
    listen 127.0.0.1:{site.upstream_port};
    default_type application/json;
    location / {{ return 200 '{ANSWER}'; }}
  }}"""
    return Command([program, "-c", _config(site, "upstream.conf", inside)])


def _config(site: Site, name: str, inside: str, modules: tuple[str, ...] = ()) -> str:
    loads = "".join(f"load_module {module};\n" for module in modules)
    return site.write(name, _FRAME.format(directory=site.directory, inside=inside, modules=loads))
