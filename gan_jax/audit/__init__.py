"""Audits of a model before it is used, one a file: `audit(subject, settings) -> Result`.

A module of an audit defines

- `Settings`, a NamedTuple whose fields all have defaults. A flag of `launch.py audit` of the same
  name as a field sets it, in every audit that has it.
- `audit`, which takes a `subject.Subject` and the settings and returns a `result.Result`. What the
  images, the data or their number cannot tell is a sentence of the result, level `unknown`, and no
  error; `UserError` is for settings that cannot be used.
"""
