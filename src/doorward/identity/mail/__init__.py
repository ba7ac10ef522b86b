"""Mail to users: what happened to their account, links, codes. Kept in an outbox, sent beside the requests.

Threat:   an account changed without its owner hearing of it (OWASP ASVS 5.0 6.3.5, 6.3.7); links to a host that a
          request named (Zitadel CVE-2025-64101); mail as a tool of annoyance or to learn who has an account.
Standard: NIST SP 800-63B-4 section 4.6; OWASP ASVS 5.0 V6.6; statements ID-69, ID-70, ID-72, ID-75 of the checklist.
Not here: mail as a second factor. A mailbox proves nothing beyond a password, so it never raises `acr`.
"""
