"""What a record says of the machine that made it."""

from msgspec import Struct


class MachineFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hardware, versions, commit and date (UTC); what nobody has noted is empty, and not written.

    `name` is that of the machine's folder under results/; `gpu`, `driver` and `commit` are None
    where there is none.
    """

    processor: str = ""
    gpu: str | None = ""
    driver: str | None = ""
    threads: int = 0
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
