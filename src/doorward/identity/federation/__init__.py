"""Federation: people sign in with an OpenID provider that the operator named, and Doorward is the client there.

Threat:   a code, token or answer of one provider taken for another's (mix-up, RFC 9207; RFC 9700 section 4.4); an
          answer of a stranger's login brought into a browser (session fixation); an account taken because somebody
          elsewhere has the same e-mail address (Keycloak CVE-2026-9087).
Standard: OpenID Connect Core section 3.1; OAuth 2.1; OWASP ASVS 5.0 10.1.2, 10.2.2, 10.5.3, 6.8.1.
Not here: tokens of other issuers at the gateway (`issuers:` of the policy), which need no account here.
"""
