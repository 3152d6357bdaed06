"""Large pages for the arrays of a CPU run."""

import os
import platform
import sys

_ENVIRONMENT = 'GLIBC_TUNABLES'
_SETTING = 'glibc.malloc.hugetlb=1'
_POLICY = '/sys/kernel/mm/transparent_hugepage/enabled'


def restart_with_large_pages() -> None:
  """Starts this process again, with memory in pages of 2 MiB, where that is for it to ask for.

  A step's buffers are gigabytes, mapped anew at every step: in pages of 4 KiB a fifth of an R3GAN
  step goes into mapping them. GNU's allocator reads the setting when a process starts, hence the
  second start; it comes before anything else is imported. Nothing happens on other systems, nor
  where the user has set the variable.
  """
  if _is_for_programs_to_ask() and _ENVIRONMENT not in os.environ:
    os.environ[_ENVIRONMENT] = _SETTING
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _is_for_programs_to_ask() -> bool:
  library, version = platform.libc_ver()
  if library != 'glibc' or tuple(int(part) for part in version.split('.')[:2]) < (2, 35):
    return False
  try:
    with open(_POLICY, encoding='ascii') as file:
      return '[madvise]' in file.read()
  except OSError:
    return False
