"""Fonts for names in any script."""

import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_jax.data.inspection import fonts


@pytest.mark.parametrize('text', ['cats', 'naïve Ωμέγα Привет', 'Ж$x_1$', 'عربي', 'עברית'])
def test_what_the_own_font_has_takes_no_other(text):
  assert fonts.families([text]) == (['DejaVu Sans'], '')


def test_what_no_font_has_is_told_by_its_letters():
  nowhere = chr(0x10FFFD)  # of nobody: for private use
  found, missing = fonts.families(['猫', f'x{nowhere}', 'z'])
  assert nowhere not in missing  # is not printable, and so not drawn
  for letter in '猫':
    has = any(_has(name, letter) for name in found)
    assert has != (letter in missing)


def test_names_are_drawn_as_they_are_in_the_fonts_that_have_them(monkeypatch):
  nowhere = chr(0x10FFFD)
  monkeypatch.setattr(fonts, 'families', lambda texts: (['DejaVu Serif'], nowhere))
  figure = Figure()
  with warnings.catch_warnings():
    warnings.simplefilter('error')  # of boxes it is told once, in words of ours
    with fonts.drawing(['x']) as missing:
      name = figure.text(0, 0, f'${nowhere}')
      formula = figure.text(0, 0, '$x_1$')
      FigureCanvasAgg(figure).draw()
  assert missing == nowhere
  assert name.get_fontname() == 'DejaVu Serif'
  assert not formula.get_parse_math()
  assert figure.text(0, 0, 'x').get_fontname() == 'DejaVu Sans'  # as before, outside


def _has(family, letter):
  from matplotlib import font_manager

  path = font_manager.findfont(family)
  return bool(font_manager.get_font(path).get_char_index(ord(letter)))
