"""What the control process holds of the state directory: the store and the issuer's keys."""

from pathlib import Path

from doorward.answer_key import answer_key_for
from doorward.encryption_key import encryption_keys_for
from doorward.errors import PolicyError
from doorward.identity.issuer_key_file import FILE_NAME, WatchedRing
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.policy.store import StoreSettings, store_place
from doorward.store import open_store


class State:
    """Opened once, for as long as the process lives."""

    def __init__(self, path: Path, settings: StoreSettings | None) -> None:
        """`settings` say where the store is. Errors: PolicyError for keys, or a store, that cannot be used."""
        self.path, self.keys = path, path / "keys"
        self.ring_file = self.keys / FILE_NAME
        try:
            self.ring = WatchedRing(self.ring_file)
            self.secret = load_or_make_secret(self.keys / KEY_FILE)
        except OSError as error:
            raise PolicyError(f"the keys of the local issuer cannot be used: {error}", key="state") from error
        # Before the first snapshot: a policy that wants answers signed must find the key there.
        answer_key_for(self.keys)
        encryption_keys_for(self.keys)
        self.store = open_store(*store_place(settings, path))
        self.watch = self.store.watch(owns=True)

    def close(self) -> None:
        """Let go of the store."""
        self.watch.close()
        self.store.close()
