"""A server as pynetdicom's manual has it, no checks and no index: ``python -m bench.stock_pynetdicom PORT FOLDER``."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt

from bench import wire


def main() -> None:
    """Serve until a signal ends the process."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    numbers = count()

    def store(event: evt.Event) -> int:
        (folder / f"{next(numbers)}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    ae = AE("STOCK")
    ae.maximum_associations = 500
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(wire.VERIFICATION)
    ae.start_server(("127.0.0.1", port), block=True, evt_handlers=[(evt.EVT_C_STORE, store)])


if __name__ == "__main__":
    main()
