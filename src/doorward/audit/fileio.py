"""Every call by which the trail changes the disk, in one small object: a test can fail the n-th call, for every n."""

import os
from pathlib import Path


class FileIo:
    """The calls as the operating system has them. Errors: OSError, from each of them."""

    def make_directory(self, path: Path) -> None:
        """The directory exists, mode 0700, and its name is durable."""
        if not path.is_dir():
            path.mkdir(mode=0o700)
        self.sync_directory(path.parent)  # also when it was there: whoever made it may have failed at this

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file, mode 0600."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """A descriptor of an existing file, for changing it."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def reserve(self, fd: int, length: int) -> None:
        """The file has `length` bytes that the disk will not run out of."""
        os.posix_fallocate(fd, 0, length)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        """How many bytes were written at `offset`; may be fewer than asked for."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, length: int) -> None:
        """The file ends at `length`."""
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        """What was written to the file is durable, or an error. Never call it again after an error: it may lie."""
        os.fdatasync(fd)

    def rename(self, old: Path, new: Path) -> None:
        """The file is known by its new name."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """The file is gone."""
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        """Names made in the directory are durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self, fd: int) -> None:
        """The descriptor is given back."""
        os.close(fd)

    def write_all(self, fd: int, data: bytes, offset: int) -> None:
        """All of `data` was written at `offset`, in as many calls as it takes."""
        view = memoryview(data)
        while view:
            written = self.write(fd, bytes(view) if len(view) < len(data) else data, offset)
            if written <= 0:
                raise OSError(f"the disk took {written} of {len(view)} bytes")
            view, offset = view[written:], offset + written
