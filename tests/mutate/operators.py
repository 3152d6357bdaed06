"""Plausible changes of one place of a source, found in its syntax tree."""

import ast
import itertools
from collections.abc import Iterator
from typing import NamedTuple


class Change(NamedTuple):
  """A place of a source, in bytes, and what stands there instead."""

  operator: str
  start: int
  end: int
  text: str


_OPERATORS = {
  **{ast.Lt: ('<', '<='), ast.LtE: ('<=', '<'), ast.Gt: ('>', '>='), ast.GtE: ('>=', '>')},
  **{ast.Eq: ('==', '!='), ast.NotEq: ('!=', '=='), ast.In: ('in', 'not in')},
  **{ast.NotIn: ('not in', 'in'), ast.Is: ('is', 'is not'), ast.IsNot: ('is not', 'is')},
  **{ast.Add: ('+', '-'), ast.Sub: ('-', '+'), ast.Mult: ('*', '/'), ast.Div: ('/', '*')},
  **{ast.FloorDiv: ('//', '*'), ast.Mod: ('%', '//'), ast.Pow: ('**', '*')},
  **{ast.And: ('and', 'or'), ast.Or: ('or', 'and')},
}
_PAIRS = [
  *[('min', 'max'), ('any', 'all'), ('minimum', 'maximum'), ('argmin', 'argmax')],
  *[('floor', 'ceil'), ('zeros', 'ones'), ('mean', 'sum'), ('sin', 'cos'), ('sqrt', 'square')],
  *[('height', 'width'), ('rows', 'columns'), ('generator', 'discriminator'), ('real', 'fake')],
]
_OTHER_NAME = dict(_PAIRS) | {b: a for a, b in _PAIRS}
# Functions that give the same whichever argument comes first.
_COMMUTE = {'min', 'max', 'minimum', 'maximum', 'add', 'multiply', 'gcd', 'lcm'}


def changes(source: str) -> list[Change]:
  """All changes of a source, in the order of their places.

  Texts for people, types and imports are left as they are.
  """
  finder = _Finder(source)
  finder.visit(ast.parse(source))
  return sorted(set(finder.found), key=lambda change: change[1:])


class _Finder(ast.NodeVisitor):
  def __init__(self, source: str):
    self.found: list[Change] = []
    self._source = source.encode()
    lengths = (len(line) for line in self._source.splitlines(keepends=True))
    self._lines = [0, *itertools.accumulate(lengths)]

  # --- places

  def _place(self, node: ast.AST) -> tuple[int, int]:
    start = self._lines[node.lineno - 1] + node.col_offset
    return start, self._lines[node.end_lineno - 1] + node.end_col_offset

  def _text(self, node: ast.AST) -> str:
    start, end = self._place(node)
    return self._source[start:end].decode()

  def _replace(self, operator: str, node: ast.AST, text: str) -> None:
    self.found.append(Change(operator, *self._place(node), text))

  def _between(self, left: ast.AST, right: ast.AST, operator: ast.AST) -> None:
    """Another operator between two operands."""
    if type(operator) not in _OPERATORS:
      return
    old, new = _OPERATORS[type(operator)]
    start, end = self._place(left)[1], self._place(right)[0]
    at = self._source[start:end].find(old.encode())
    if at >= 0:
      start += at
      self.found.append(Change(f'{old} is {new}', start, start + len(old), new))

  # --- what is left as it is

  def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
    """Messages; until Python 3.12 places within them are not known either."""

  def visit_Raise(self, node: ast.Raise) -> None:
    self._replace('a statement is dropped', node, 'pass')

  def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
    if node.value is not None:
      self.visit(node.value)

  def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
    for each in node.decorator_list:
      if ast.unparse(each) not in ('property', 'staticmethod', 'classmethod'):
        start, end = self._place(each)
        start = self._source.rfind(b'@', 0, start)
        self.found.append(Change('a decorator is dropped', start, end, '# none'))
    for default in (*node.args.defaults, *node.args.kw_defaults):
      if default is not None:
        self.visit(default)
    for statement in node.body:
      self.visit(statement)

  # --- expressions

  def visit_Compare(self, node: ast.Compare) -> None:
    operands = [node.left, *node.comparators]
    for left, right, operator in zip(operands, operands[1:], node.ops, strict=False):
      self._between(left, right, operator)
    self.generic_visit(node)

  def visit_BinOp(self, node: ast.BinOp) -> None:
    texts = (ast.JoinedStr, ast.Constant)
    said = any(isinstance(n, texts) and not _number(n) for n in (node.left, node.right))
    if not said:
      self._between(node.left, node.right, node.op)
      if isinstance(node.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
        self._replace('a term is dropped', node, f'({self._text(node.left)})')
    self.generic_visit(node)

  def visit_BoolOp(self, node: ast.BoolOp) -> None:
    for left, right in itertools.pairwise(node.values):
      self._between(left, right, node.op)
    for value in node.values:
      self._replace('a condition is alone', node, f'({self._text(value)})')
    self.generic_visit(node)

  def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
    if isinstance(node.op, ast.Not | ast.USub):
      self._replace('a sign is dropped', node, f'({self._text(node.operand)})')
    self.generic_visit(node)

  def visit_IfExp(self, node: ast.IfExp) -> None:
    for branch in (node.body, node.orelse):
      self._replace('one branch always', node, f'({self._text(branch)})')
    self.generic_visit(node)

  def visit_Constant(self, node: ast.Constant) -> None:
    if isinstance(node.value, bool):
      self._replace('a truth is another', node, str(not node.value))
    elif _number(node):
      for value in _near(node.value):
        self._replace('a number is another', node, repr(value))

  def visit_Name(self, node: ast.Name) -> None:
    if node.id in ('min', 'max', 'any', 'all') and isinstance(node.ctx, ast.Load):
      self._replace('a name is another', node, _OTHER_NAME[node.id])

  def visit_Attribute(self, node: ast.Attribute) -> None:
    if node.attr in _OTHER_NAME and isinstance(node.ctx, ast.Load):
      end = self._place(node)[1]
      start = end - len(node.attr)
      self.found.append(Change('a name is another', start, end, _OTHER_NAME[node.attr]))
    self.visit(node.value)

  def visit_Call(self, node: ast.Call) -> None:
    called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
    for left, right in itertools.pairwise(node.args):
      if _alike(left, right) and called not in _COMMUTE:
        (start, middle), (again, end) = self._place(left), self._place(right)
        between = self._source[middle:again].decode()
        text = f'{self._text(right)}{between}{self._text(left)}'
        self.found.append(Change('two arguments are swapped', start, end, text))
    for keyword in node.keywords:
      if keyword.arg is not None:
        start, end = self._place(keyword)
        end = self._past_comma(end)
        self.found.append(Change('an argument is dropped', start, end, ''))
    self.generic_visit(node)

  def visit_Subscript(self, node: ast.Subscript) -> None:
    key = node.slice
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
      self._replace('a key is another', key, repr(f'{key.value}_'))
    for part in key.elts if isinstance(key, ast.Tuple) else [key]:
      if isinstance(part, ast.Slice):
        for bound in (part.lower, part.upper):
          if bound is not None and not _number(bound):
            self._replace('off by one', bound, f'{self._text(bound)} + 1')
    self.generic_visit(node)

  def visit_Dict(self, node: ast.Dict) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
      if isinstance(key, ast.Constant) and isinstance(key.value, str):
        start, end = self._place(key)[0], self._past_comma(self._place(value)[1])
        self.found.append(Change('an entry is dropped', start, end, ''))
    self.generic_visit(node)

  def visit_comprehension(self, node: ast.comprehension) -> None:
    for condition in node.ifs:
      self._replace('all are taken', condition, 'True')
    self.generic_visit(node)

  # --- statements

  def visit_Expr(self, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
      return  # a docstring
    self._replace('a statement is dropped', node, 'pass')
    self.generic_visit(node)

  def visit_AugAssign(self, node: ast.AugAssign) -> None:
    self._replace('a statement is dropped', node, 'pass')
    self._between(node.target, node.value, node.op)
    self.generic_visit(node)

  def visit_Assign(self, node: ast.Assign) -> None:
    names = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    if names & used or isinstance(node.targets[0], ast.Attribute | ast.Subscript):
      self._replace('a statement is dropped', node, 'pass')
    self.generic_visit(node)

  def visit_If(self, node: ast.If) -> None:
    for value in ('True', 'False'):
      self._replace('a condition is certain', node.test, value)
    self.generic_visit(node)

  def visit_Return(self, node: ast.Return) -> None:
    if isinstance(node.value, ast.BoolOp | ast.Compare):
      for value in ('True', 'False'):
        self._replace('an answer is certain', node.value, value)
    self.generic_visit(node)

  def _past_comma(self, end: int) -> int:
    """Where what follows a place and its comma begins."""
    rest = self._source[end:]
    blank = len(rest) - len(rest.lstrip())
    if rest[blank : blank + 1] != b',':
      return end
    return end + blank + 1


def _number(node: ast.AST) -> bool:
  if not isinstance(node, ast.Constant):
    return False
  return isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _near(value: int | float) -> Iterator[int | float]:
  if isinstance(value, float):
    yield value * 2 if value else 1.0
    if value not in (0.0, 1.0):
      yield value * 10
    return
  yield value + 1
  if value:
    yield value - 1
  if value > 1:
    yield 2 * value


def _alike(left: ast.AST, right: ast.AST) -> bool:
  """Whether two arguments look as if they were of one kind: both names, or both attributes."""
  kinds = ast.Name, ast.Attribute
  return any(isinstance(left, kind) and isinstance(right, kind) for kind in kinds)
