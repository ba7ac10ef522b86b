"""Doorward's own identity provider: who exists, and the tokens that prove it.

Users sign in (`pages`), with everything secret checked in one place (`credentials`, throttled by `risk`); clients get
tokens (`oauth`). Runs in the control process and the command line, never in a worker. It does not decide about
requests: what it knows reaches the workers as plain data, by `publishing`.
"""
