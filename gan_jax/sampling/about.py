"""What a file says of the image in it: how it was made, and that it is synthetic.

PNG has text chunks and XMP, WebP has XMP, GIF a comment, MP4 tags. The XMP names the source as IPTC
does (https://cv.iptc.org/newscodes/digitalsourcetype), by which sites mark what was generated.
"""

from collections.abc import Mapping
from xml.etree import ElementTree

from PIL.PngImagePlugin import PngInfo

from gan_jax.text import printable

SYNTHETIC = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia'
_OURS = 'urn:gan_jax:recipe'
_SPACES = {
  'x': 'adobe:ns:meta/',
  'rdf': 'http://www.w3.org/1999/02/22-rdf-syntax-ns#',
  'dc': 'http://purl.org/dc/elements/1.1/',
  'xmp': 'http://ns.adobe.com/xap/1.0/',
  'Iptc4xmpExt': 'http://iptc.org/std/Iptc4xmpExt/2008-02-29/',
  'gan_jax': _OURS,
}
_PACKET = 'W5M0MpCehiHzreSzNTczkc9d'  # by which readers find XMP in any file

Recipe = Mapping[str, str]
"""How an image was made, by the names that PNG text has: `Model`, `Seed`, `Class`, …"""


def sentence(recipe: Recipe) -> str:
  """A recipe in one line, that begins with what matters most."""
  rest = ', '.join(f'{name} {value}' for name, value in recipe.items())
  return printable(f'Synthetic image made by a trained generator: {rest}')


def png(recipe: Recipe) -> PngInfo:
  """Text chunks and XMP of a PNG."""
  info = PngInfo()
  texts = {'Software': 'gan_jax', 'Description': sentence(recipe), 'Synthetic': SYNTHETIC}
  for name, value in {**texts, **recipe}.items():
    info.add_text(name, printable(value))  # iTXt where it does not fit Latin-1
  info.add_itxt('XML:com.adobe.xmp', xmp(recipe).decode())
  return info


def xmp(recipe: Recipe) -> bytes:
  """An XMP packet."""
  for prefix, space in _SPACES.items():
    ElementTree.register_namespace(prefix, space)
  name = lambda prefix, local: f'{{{_SPACES[prefix]}}}{local}'
  root = ElementTree.Element(name('x', 'xmpmeta'))
  graph = ElementTree.SubElement(root, name('rdf', 'RDF'))
  about = ElementTree.SubElement(graph, name('rdf', 'Description'), {name('rdf', 'about'): ''})
  about.set(name('Iptc4xmpExt', 'DigitalSourceType'), SYNTHETIC)
  about.set(name('xmp', 'CreatorTool'), 'gan_jax')
  for key, value in recipe.items():
    about.set(name('gan_jax', key.replace(' ', '')), printable(value))
  described = ElementTree.SubElement(about, name('dc', 'description'))
  choices = ElementTree.SubElement(described, name('rdf', 'Alt'))
  text = ElementTree.SubElement(choices, name('rdf', 'li'))
  text.set('{http://www.w3.org/XML/1998/namespace}lang', 'x-default')
  text.text = sentence(recipe)
  begin = f'<?xpacket begin="\ufeff" id="{_PACKET}"?>'
  return f'{begin}{ElementTree.tostring(root, encoding="unicode")}<?xpacket end="r"?>'.encode()
