"""Envoy as a plain reverse proxy, one worker thread."""

import json

from bench.testbed import Command, Site

_TYPES = "type.googleapis.com/envoy.extensions"


def command(program: str, site: Site) -> Command:
    """Envoy in front of the upstream."""
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "codec_type": "HTTP1",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}]}
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
            }
        ],
    }
    chain: dict[str, object] = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    }
    if site.tls:
        certificate = {
            "certificate_chain": {"filename": str(site.certificate)},
            "private_key": {"filename": str(site.key)},
        }
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [certificate]},
            },
        }
    upstream = {"endpoint": {"address": _address(site.upstream_port)}}
    cluster = {
        "name": "api",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "api", "endpoints": [{"lb_endpoints": [upstream]}]},
    }
    listener = {"name": "front", "address": _address(site.port), "filter_chains": [chain]}
    config = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    path = site.write("envoy.json", json.dumps(config))
    return Command([program, "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "error"])


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
