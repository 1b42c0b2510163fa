"""What a record says of the machine that made it."""

from typing import Annotated

from msgspec import Meta, Struct


class MachineFacts(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Hardware, versions, commit and date (UTC); what nobody has noted is empty, and not written.

    `name` is that of the machine's folder under results/; `gpu`, `driver` and `commit` are None
    where there is none, and `compiled` is noted where training steps were.
    """

    processor: str = ""
    gpu: str | None = ""
    driver: str | None = ""
    threads: Annotated[int, Meta(ge=0, le=2**31)] = 0
    keeps_pages: bool | None = None
    python: str = ""
    torch: str = ""
    e3nn: str = ""
    e3nn_jit_mode: str = ""
    dtype: str = ""
    tf32: bool | None = None
    commit: str | None = ""
    dirty: bool | None = None
    date: str = ""
    name: str = ""
    compiled: bool | None = None
