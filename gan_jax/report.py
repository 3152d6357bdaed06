"""The report of a sweep or of a run: a page, or a table or a picture for a paper."""

import os
from collections.abc import Callable

from gan_jax.ablation import export, page, results
from gan_jax.ablation.charts import Curve
from gan_jax.ablation.results import Results
from gan_jax.ablation.root import Root
from gan_jax.errors import UserError, nearest
from gan_jax.workdir import files

_OF_SWEEPS: dict[str, Callable[[Results, Root], str]] = {
  '.html': page.of_sweep,
  '.csv': lambda found, root: export.as_csv(found),
  '.md': lambda found, root: export.as_markdown(found),
  '.tex': lambda found, root: export.as_latex(found),
  '.svg': lambda found, root: export.as_svg(
    [Curve(row.variant, [(run.seed, run.curve) for run in row.runs]) for row in found.rows],
    found.sweep['score'],
  ),
}


def read(root: str, name: str = '', end: str = '') -> Results:
  """The results of a sweep.

  Args:
    root: folder that `launch.py ablate` was given.
    name: of the sweep; '': the only one.
    end: of `sweep.ENDS`; '': the sweep's own.

  Raises:
    UserError: where there is no such sweep.
  """
  place = Root(root)
  sweeps = place.sweeps()
  if not name and len(sweeps) > 1:
    raise UserError(
      f'--root={root}: holds several sweeps; name one by --sweep: {", ".join(sweeps)}'
    )
  name = name or next(iter(sweeps))
  if name not in sweeps:
    raise UserError(f'--sweep={name}: {nearest(name, sweeps)}')
  chosen = {'end': end} if end else {}
  return results.read(place, name, sweeps[name] | chosen)


def check_out(out: str, single: bool) -> None:
  """Raises UserError where a report cannot be written, before it is made.

  Args:
    out: its file.
    single: whether it is of a single run, of which there is a page alone.
  """
  accepted = ('.html',) if single else tuple(_OF_SWEEPS)
  if os.path.splitext(out)[1] not in accepted:
    raise UserError(f'--out={out}: accepted: a file that ends in {", ".join(accepted)}')
  files.check_writable(out, '--out')


def of_sweep(root: str, name: str, out: str, end: str = '') -> Results:
  """Writes the report of a sweep: .html, .csv, .md, .tex or .svg; returns the results.

  Raises:
    UserError: where there is no such sweep, or the file cannot be written.
  """
  check_out(out, single=False)
  found = read(root, name, end)
  files.write_named(out, '--out', _OF_SWEEPS[os.path.splitext(out)[1]](found, Root(root)))
  return found


def of_run(workdir: str, out: str) -> None:
  """Writes the page of a single run.

  Raises:
    UserError: where the folder holds no run, or the file cannot be written.
  """
  check_out(out, single=True)
  files.write_named(out, '--out', page.of_run(workdir))
