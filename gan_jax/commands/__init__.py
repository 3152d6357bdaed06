"""The commands of launch.py, one a module: `TEXT`, `EXAMPLE`, `define` and `run`.

A command may name the flag that an argument without one is for, `POSITIONAL`.

What a command takes long to import, it imports when it runs: an overview or a mistake is there at
once.
"""

from types import ModuleType

from gan_jax.commands import (
  ablate,
  audit,
  bench,
  describe,
  edit,
  evaluate,
  explore,
  export,
  forecast,
  inspect,
  interpolate,
  prepare,
  project,
  report,
  reproduce,
  runs,
  sample,
  train,
  tune,
)

COMMANDS: dict[str, ModuleType] = {
  'prepare': prepare,
  'inspect': inspect,
  'describe': describe,
  'forecast': forecast,
  'train': train,
  'runs': runs,
  'sample': sample,
  'interpolate': interpolate,
  'project': project,
  'edit': edit,
  'explore': explore,
  'evaluate': evaluate,
  'audit': audit,
  'export': export,
  'bench': bench,
  'tune': tune,
  'ablate': ablate,
  'report': report,
  'reproduce': reproduce,
}
