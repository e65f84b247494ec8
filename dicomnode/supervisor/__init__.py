"""The parent process: starts workers, watches them, replaces those that die, and lets them go gently.

It knows no DICOM, opens no database and starts no thread, so there is little in it that could fail. Follow it from
`Supervisor.run` (parent) and `WorkerChannel` (what a worker calls); a new kind of worker is one more `WorkerSpec`.
"""

from dicomnode.supervisor.channel import Stop, WorkerChannel
from dicomnode.supervisor.launch import raise_descriptor_limit, run_to_end
from dicomnode.supervisor.parent import PLACES_PER_WORKER, ProcessSettings, Supervisor
from dicomnode.supervisor.process import WorkerSpec
from dicomnode.supervisor.service_manager import ServiceManager
from dicomnode.supervisor.signals import Signals, watched_signals
from dicomnode.supervisor.sockets import bind, inherited_sockets

__all__ = [
    "PLACES_PER_WORKER",
    "ProcessSettings",
    "ServiceManager",
    "Signals",
    "Stop",
    "Supervisor",
    "WorkerChannel",
    "WorkerSpec",
    "bind",
    "inherited_sockets",
    "raise_descriptor_limit",
    "run_to_end",
    "watched_signals",
]
