"""Whether a credential may be tried at all: throttling of logins, and signs of spraying and stuffing.

Threat:   guessing one account's password, one password at all accounts, other sites' pairs at their own accounts.
Standard: NIST SP 800-63B-4 section 3.2.2 (at most 100 failures in a row); OWASP ASVS 5.0 6.3.1.
How:      a device that once signed its user in is known by a cookie and has a small budget of its own, so nobody can
          lock it out; everybody else shares the account's budget of *distinct* passwords, which grows slower and
          slower; many accounts failing at once ask every unknown device for a challenge.

`decision` is pure; `counters` is what it decides from, in the store, changed by comparing updates; `signals` is what
is seen across accounts, in memory.
"""
