"""A small bank API that is vulnerable on purpose. Never run it where anybody but you can reach it.

Its SQL, shell call, files and templates are real, so that what the demonstration shows is a breach and not a story.
Everything it holds is made up for one run, in a temporary directory, and listens on loopback only.
"""
