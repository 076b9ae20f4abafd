"""What a pass of `pictor reconcile` reports. What it finds and does is in reconcile and image_check."""

from dataclasses import asdict, dataclass


@dataclass
class Report:
    """What was found, and (unless `dry_run`) done about it. The names are the keys of `--json`."""

    dry_run: bool = False
    objects: int = 0
    images: int = 0
    expired_intents: int = 0
    trash_emptied: int = 0
    purges_revived: int = 0
    purged: int = 0
    foreign: int = 0
    orphans_seen: int = 0
    orphans_waiting: int = 0
    orphans_deleted: int = 0
    missing: int = 0
    wrong_size: int = 0
    wrong_bytes: int = 0
    healed: int = 0
    jobs_made: int = 0
    requeued: int = 0
    datasets: int = 0
    datasets_damaged: int = 0
    temporary_files: int = 0

    @property
    def damaged(self) -> int:
        """Images and datasets whose bytes are not right now, whenever that was found."""
        return self.missing + self.wrong_size + self.wrong_bytes + self.datasets_damaged

    def counts(self) -> dict[str, int | bool]:
        return asdict(self) | {"damaged": self.damaged}
