"""The authorization server: OAuth 2.1 with authorization code, PKCE and refresh tokens, and OpenID Connect on it.

Each step is parse, decide, store in one transaction, answer. A request for authorization is frozen on the server when
it arrives; nothing the browser carries afterwards can change it (Keycloak CVE-2026-7571, CVE-2026-9689).
Source: draft-ietf-oauth-v2-1; RFC 6749, 7009, 7636, 7662, 8252, 8414, 8707, 9126, 9207, 9700; OpenID Connect Core.
"""
