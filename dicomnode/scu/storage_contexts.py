"""Presentation contexts for instances to be sent: what is proposed, and which of what was accepted carries an instance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

MAX_CONTEXTS = 128
"""Of one association: their ids are odd and one byte long (PS3.8 Section 9.3.2.2)."""
FALLBACK = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""Proposed for each SOP Class beside what its instances are stored in; the latter has to be (PS3.5 Section 10.1)."""

is_uid = re.compile(r"[0-9.]{1,64}").fullmatch
"""Whether a text may be sent as a UID; more is for whoever gets it to judge."""


def propose(instances: Sequence[OutgoingInstance], start: int) -> tuple[list[PresentationContext], int]:
    """Contexts for the instances from ``start`` on, and where those end that one association has room for."""
    proposal: dict[tuple[str, tuple[str, ...]], None] = {}
    for position in range(start, len(instances)):
        instance = instances[position]
        if not (is_uid(instance.sop_class_uid) and is_uid(instance.transfer_syntax_uid)):
            continue
        syntaxes = [(instance.transfer_syntax_uid,), FALLBACK]
        if instance.preferred_syntax_uid:
            syntaxes.insert(0, (instance.preferred_syntax_uid,))
        needed = [one for syntax in syntaxes if (one := (instance.sop_class_uid, syntax)) not in proposal]
        if len(proposal) + len(needed) > MAX_CONTEXTS:
            return _contexts(proposal), position
        proposal.update(dict.fromkeys(needed))
    return _contexts(proposal), len(instances)


class Accepted:
    """The contexts that a peer accepted."""

    def __init__(self, contexts: Iterable[PresentationContext]) -> None:
        self._ids: dict[str, dict[str, int]] = {}
        for context in contexts:
            if context.as_scu and context.context_id is not None:
                by_syntax = self._ids.setdefault(str(context.abstract_syntax), {})
                by_syntax.setdefault(str(context.transfer_syntax[0]), context.context_id)

    def context_id(self, sop_class_uid: str, transfer_syntax_uid: str) -> int | None:
        """The context that carries data sets of this class and syntax; None when there is none."""
        return self._ids.get(sop_class_uid, {}).get(transfer_syntax_uid)

    def transfer_syntaxes(self, sop_class_uid: str) -> list[str]:
        """In which syntaxes the peer takes instances of this class, uncompressed ones first; none when it does not take any."""
        return sorted(
            self._ids.get(sop_class_uid, {}), key=lambda uid: FALLBACK.index(uid) if uid in FALLBACK else len(FALLBACK)
        )


def _contexts(proposal: Iterable[tuple[str, tuple[str, ...]]]) -> list[PresentationContext]:
    return [build_context(sop_class_uid, list(syntaxes)) for sop_class_uid, syntaxes in proposal]
