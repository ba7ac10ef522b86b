"""Schemas of the description, ready to judge values: closed, of linear cost, one validator each.

A leaf that `validate` uses for requests and `minimise` for answers. It decides nothing about an exchange.
"""
