"""Doorward's own identity provider: who exists, and the tokens that prove it.

For now users, clients, API keys and the client-credentials grant; logins come with the full provider. Runs in the
control process and the command line, never in a worker. It does not decide about requests: what it knows reaches the
workers as plain data, by `publishing`.
"""
