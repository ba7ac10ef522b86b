"""Envoy with one worker thread: as a plain proxy, and with the filters that come nearest to Doorward's checks."""

import json
import time
from typing import Any

from bench.testbed import Command, Site
from doorward.jose import generate_key, sign_jwt

_TYPES = "type.googleapis.com/envoy.extensions"
_ISSUER = "https://issuer.bench"


def command(program: str, site: Site) -> Command:
    """Envoy in front of the upstream, and nothing else."""
    return _command(program, site, [], [])


def filtered(program: str, site: Site) -> Command:
    """JWT (ES256, verified tokens cached), RBAC, local rate limit, access log."""
    return _filtered(program, site, caches=True)


def filtered_uncached(program: str, site: Site) -> Command:
    """The same with Envoy's default: each token is verified each time."""
    return _filtered(program, site, caches=False)


def _filtered(program: str, site: Site, *, caches: bool) -> Command:
    key = generate_key("ES256")
    now = int(time.time())
    claims = {"iss": _ISSUER, "aud": "bench", "sub": "bench", "roles": ["clerk"], "iat": now, "exp": now + 3600}
    provider: dict[str, Any] = {
        "issuer": _ISSUER,
        "audiences": ["bench"],
        "local_jwks": {"inline_string": json.dumps({"keys": [dict(key.public.jwk())]})},
        "payload_in_metadata": "claims",
    }
    if caches:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000}
    role = {
        "metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "claims"}, {"key": "roles"}],
            "value": {"list_match": {"one_of": {"string_match": {"exact": "clerk"}}}},
        }
    }
    bucket = {"max_tokens": 100_000_000, "tokens_per_fill": 100_000_000, "fill_interval": "1s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    filters = [
        {
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"bench": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
            },
        },
        {
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.rbac.v3.RBAC",
                "rules": {
                    "action": "ALLOW",
                    "policies": {
                        "clerks": {
                            "permissions": [{"url_path": {"path": {"prefix": "/orders"}}}],
                            "principals": [role],
                        }
                    },
                },
            },
        },
        {
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "limit",
                "token_bucket": bucket,
                "filter_enabled": always,
                "filter_enforced": always,
            },
        },
    ]
    log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": str(site.directory / "access.log"),
        },
    }
    made = _command(program, site, filters, [log])
    token = sign_jwt(key, claims, "at+jwt")
    return Command(made.arguments, headers=(f"Authorization: Bearer {token}",), refuses_without_token=True)


def _command(program: str, site: Site, filters: list[dict[str, Any]], logs: list[dict[str, Any]]) -> Command:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "codec_type": "HTTP1",
        "access_log": logs,
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}]}
            ]
        },
        "http_filters": [*filters, router],
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
