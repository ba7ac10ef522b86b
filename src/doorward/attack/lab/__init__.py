"""The laboratory: real gateways before an upstream that misbehaves on demand, so that every attack can be run.

Some attacks need what no running API offers: an upstream that lies about lengths, a full disk, an issuer that is away.
Everything listens on loopback, lives in one directory and ends with the `with` block.
"""

from doorward.attack.lab.laboratory import Laboratory

__all__ = ["Laboratory"]
