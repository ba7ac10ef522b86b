"""The pages people see: sign in, second factor, consent, account. Rendered here, no script but one file for passkeys.

Threat:   forged requests (a token bound to the browser, Origin and Sec-Fetch-Site), framing and injected script (a
          strict Content-Security-Policy), fixation (a new session id at each login), guessing (`credentials`).
Standard: OWASP ASVS 5.0 V3.3, V3.4, V3.5, V7.
"""
