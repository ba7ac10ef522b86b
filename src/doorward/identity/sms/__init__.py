"""Text messages (SMS): whom codes are sent to, how often, and the hook that sends them.

Threat:   a number is taken over (SIM swap) and its codes with it; a form that sends messages is used to earn money
          with numbers that cost (pumping).
Standard: NIST SP 800-63B-4 section 3.2.9 (restricted authenticators); OWASP ASVS 5.0 6.6.1.
Not here: whether a code is right (`credentials`).
"""
