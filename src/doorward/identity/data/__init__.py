"""Data files of the identity provider; each says beside it where it comes from."""
