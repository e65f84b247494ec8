"""The facts without which a figure means nothing: machine, file systems, versions, commit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

MEMORY_FOLDER = Path("/dev/shm")


def facts() -> dict[str, object]:
    """Processor, memory, kernel, Python and the versions that the node runs on."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory_kb = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "processor": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "pynetdicom": version("pynetdicom"),
        "pydicom": version("pydicom"),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def commit(folder: Path) -> str:
    """The commit that is checked out, with ``+changes`` when files differ from it; ``unknown`` without git."""
    try:
        head = _output("git", "-C", str(folder), "rev-parse", "--short=12", "HEAD")
        changed = _output("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no", "--", "dicomnode")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def file_system(folder: Path) -> str:
    """The type of the file system that holds ``folder``, and the device: ``ext4 on /dev/vda``."""
    mounts = [line.split()[:3] for line in _lines("/proc/mounts")]
    real = folder.resolve()
    holding = [(Path(point), kind, device) for device, point, kind in mounts if real.is_relative_to(point)]
    _, kind, device = max(holding, key=lambda mount: len(mount[0].parts))
    return kind if kind == device else f"{kind} on {device}"


def memory_folder() -> Path | None:
    """A folder whose files live in memory, for the runs that measure no disk; None when there is none with room."""
    if not MEMORY_FOLDER.is_dir() or not os.access(MEMORY_FOLDER, os.W_OK):
        return None
    return MEMORY_FOLDER if shutil.disk_usage(MEMORY_FOLDER).free > 4 * 2**30 else None


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
