"""Studies that are complete: looked for from time to time, told once, and what hangs on it (dicomnode.index.growth)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Annotated, Final

import structlog
from pydantic import Field

from dicomnode.index import Index
from dicomnode.index.growth import CompleteStudy, Source
from dicomnode.index.outbox import OutboxEntry
from dicomnode.settings import Settings

log = structlog.get_logger()

LOOK_S: Final = 5.0
"""How long after its last instance a study whose instances were announced may be found complete."""


class CompletenessSettings(Settings):
    """When a study is taken for complete."""

    silence_s: Annotated[float, Field(ge=1, le=604800)] = 300.0
    """Time in s without a new instance after which a study is complete of which nothing says what it has: no performed procedure
    step, and no commitment request that lists all that is here."""
    give_up_h: Annotated[float, Field(gt=0, le=8760)] = 24.0
    """Time in h without anything new after which a study is taken for complete without the instances that it still lacks."""


class CompletenessWatch:
    """The periodic look at what is complete."""

    def __init__(self, index: Index, settings: CompletenessSettings) -> None:
        self._completeness = index.completeness
        self._silence = timedelta(seconds=settings.silence_s)
        self._give_up = timedelta(hours=settings.give_up_h)

    def look(self) -> None:
        """Find the studies that are complete since the last look.

        Raises:
            IndexUnavailableError: the index cannot be read or written now.
        """
        tell_complete(self._completeness.look(self._silence, self._give_up))


class StudyCompleteHandler:
    """What hangs on a study being complete, done one after the other; all of it again when one fails, so each has to bear that.

    To have more done, give it here, in ``node.delivery_handlers``.
    """

    def __init__(self, *followers: Callable[[CompleteStudy], None]) -> None:
        self._followers = followers

    def __call__(self, entry: OutboxEntry) -> None:
        """Deliver what is owed."""
        payload = entry.payload
        study = CompleteStudy(
            str(payload["study_instance_uid"]),
            int(str(payload["round"])),
            Source(str(payload["source"])),
            int(str(payload["instances"])),
            int(str(payload.get("missing", 0))),
        )
        for follow in self._followers:
            follow(study)


def tell_complete(studies: Iterable[CompleteStudy]) -> None:
    """One line for each study that is complete now."""
    for study in studies:
        (log.warning if study.missing else log.info)(
            "study.completed",
            study_instance_uid=study.study_instance_uid,
            round=study.round,
            source=str(study.source),
            instances=study.instances,
            missing=study.missing,
        )
