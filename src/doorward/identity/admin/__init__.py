"""The admin API: what the command line does with users, clients and keys, as JSON over a listener of its own.

Threat:   a default account; an admin page that another site's script can reach (CSRF, DNS rebinding); a change that
          undoes another one unseen; a change nobody can be asked about; an admin who learns a user's password.
Standard: OWASP ASVS 5.0 6.4.6, 13.4; RFC 9457 (problems), 9110 section 13 (preconditions).
How:      loopback only and off by default; entered with a ticket of the command line that is good once; a bearer token
          and no cookie; Host and Origin exact; If-Match demanded for changes; the functions of the command line, which
          record who did what.
"""
