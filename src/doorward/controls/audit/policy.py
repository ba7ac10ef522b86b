"""What an operator may write about audit."""

from pydantic import BaseModel, ConfigDict, Field


class AuditPolicy(BaseModel):
    """How exchanges are recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    directory: str = Field(default="audit", min_length=1, max_length=4096)
    """Where the trail is kept: a path relative to the state directory, or an absolute one. A partition of its own is
    advised, so that nothing else can fill it. Default `audit`."""
    gather_ms: float = Field(default=1.0, ge=0, le=1)
    """Longest time, in milliseconds, that records are gathered into one disk write under load; a record that comes
    alone never waits. 0 to 1. More would delay answers, less costs CPU (waking the writer takes about 30 us)."""
    group_count: int = Field(default=256, ge=1, le=256)
    """Most records in one disk write. 1 to 256; what a power cut can tear is at most one such group, none of whose
    requests was answered."""
    segment_bytes: int = Field(default=64 << 20, ge=1 << 20, le=1 << 30)
    """Size of one segment file, in bytes, 1 MiB to 1 GiB; reserved on the disk before the first record is put in, so
    that a full disk is noticed between segments and not within one. Default 64 MiB: about 200,000 records."""
    coalesce: bool = True
    """Whether, of refusals without a caller, only the first three of a network (/24 or /56), code and second get
    records of their own, and the others one record with their exact number when the second is over. It keeps a flood
    from filling the disk; a crash loses at most the number of its last second. `false` records each."""
    user_agent: bool = True
    """Whether the client's User-Agent is recorded (escaped, at most 1 KiB). It helps to tell an attack tool from an
    application; set to false where it counts as personal data that must not be kept."""
