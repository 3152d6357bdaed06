"""How much memory the machine has, and how much of it this process takes."""

import os
import pathlib
import resource
import sys

_PROCESS = pathlib.Path('/proc/self/status')
_MACHINE = pathlib.Path('/proc/meminfo')
_GROUP = pathlib.Path('/sys/fs/cgroup')


def peak_bytes() -> int:
  """The most memory that this process has had since it began."""
  found = _field(_PROCESS, 'VmHWM')
  if found is not None:
    return found
  # Linux carries this over from the process that started this one; macOS counts in bytes.
  unit = 1 if sys.platform == 'darwin' else 1024
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_bytes() -> int:
  """What this process has now; its peak where the system does not tell."""
  found = _field(_PROCESS, 'VmRSS')
  return peak_bytes() if found is None else found


def total_bytes() -> int:
  """Memory of the machine, or of the group of processes that this one is confined to."""
  whole = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
  limit = _number(_GROUP / 'memory.max')
  return whole if limit is None else min(whole, limit)


def free_bytes() -> int:
  """What this process may still take before others have to give way."""
  available = _field(_MACHINE, 'MemAvailable')
  free = total_bytes() - resident_bytes() if available is None else available
  limit = _number(_GROUP / 'memory.max')
  if limit is not None:
    free = min(free, limit - resident_bytes())
  most, _ = resource.getrlimit(resource.RLIMIT_AS)
  size = _field(_PROCESS, 'VmSize')
  if most != resource.RLIM_INFINITY and size is not None:
    free = min(free, most - size)
  return max(0, free)


def _field(file: pathlib.Path, name: str) -> int | None:
  """A line such as `VmHWM:  1234 kB`, in bytes; None where there is none."""
  try:
    lines = file.read_text(encoding='ascii', errors='replace').splitlines()
  except OSError:
    return None
  found = [line.split()[1] for line in lines if line.startswith(f'{name}:')]
  return int(found[0]) * 1024 if found else None


def _number(file: pathlib.Path) -> int | None:
  try:
    text = file.read_text(encoding='ascii').strip()
  except OSError:
    return None
  return int(text) if text.isdecimal() else None
