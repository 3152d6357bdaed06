import hashlib
import io
import pathlib
import re
import struct
import tracemalloc
import warnings
import zlib
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_windowing
from pydicom.uid import (
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  JPEGBaseline8Bit,
  RLELossless,
  generate_uid,
)

from gan_jax.data.ingest import dicom, dicom_grey
from gan_jax.data.ingest.picture import RefusedError

BUNDLED = pathlib.Path(pydicom.__file__).parent / 'data' / 'test_files'
# What pydicom 3.0.2 with Pillow alone decodes of the 176 files in its package.
DECODABLE = 81


class Bundled(NamedTuple):
  path: pathlib.Path
  dataset: Dataset | None
  pixels: np.ndarray | None  # pydicom's own, of all frames
  read: list  # of pictures
  refusal: str


@pytest.fixture(scope='module')
def bundled():
  return [examine(path) for path in sorted(BUNDLED.rglob('*')) if path.is_file()]


def examine(path):
  dataset = pixels = None
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    try:
      dataset = pydicom.dcmread(path)
      pixels = dataset.pixel_array
    except Exception:
      pixels = None
  try:
    return Bundled(path, dataset, pixels, list(dicom.read(path.name, path.read_bytes())), '')
  except RefusedError as error:
    return Bundled(path, dataset, pixels, [], str(error))


def dataset_of(pixels, kind='MONOCHROME2', bits=None, **elements):
  """Makes a dataset of uint8 or uint16 pixels `[H, W]`, `[N, H, W]` or `[H, W, 3]`."""
  dataset = Dataset()
  dataset.file_meta = FileMetaDataset()
  dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
  dataset.SOPClassUID, dataset.SOPInstanceUID = '1.2.840.10008.5.1.4.1.1.7', generate_uid()
  colour = pixels.ndim == 3 and pixels.shape[-1] == 3
  if not colour and pixels.ndim == 3:
    dataset.NumberOfFrames = len(pixels)
  dataset.Rows, dataset.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
  dataset.SamplesPerPixel = 3 if colour else 1
  if colour:
    dataset.PlanarConfiguration = 0
  dataset.PhotometricInterpretation = kind
  dataset.BitsAllocated = 8 * pixels.itemsize
  dataset.BitsStored = bits or dataset.BitsAllocated
  dataset.HighBit = dataset.BitsStored - 1
  dataset.PixelRepresentation = int(pixels.dtype.kind == 'i')
  dataset.PixelData = pixels.tobytes() + b'\0' * (pixels.nbytes % 2)
  for keyword, value in elements.items():
    setattr(dataset, keyword, value)
  return dataset


def encoded(dataset):
  file = io.BytesIO()
  pydicom.dcmwrite(file, dataset, enforce_file_format=True)
  return file.getvalue()


def read(pixels, window=None, **elements):
  """Reads a file made of `pixels`: one picture, or a list of several."""
  data = encoded(dataset_of(pixels, **elements))
  pictures = list(dicom.read('file', data, window))
  return pictures[0] if len(pictures) == 1 else pictures


def windowed(x, centre, width, function):
  """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2, as its pseudo-code has them; to 0..1."""
  if function == 'SIGMOID':
    return 1 / (1 + np.exp(-4 * (x - centre) / width))
  c, w = (centre - 0.5, width - 1) if function == 'LINEAR' else (centre, width)
  below, above = x <= c - w / 2, x > c + w / 2
  return np.where(below, 0, np.where(above, 1, (x - c) / w + 0.5))


def expected_grey(dataset, pixels):
  """What a grey file without lookup tables is to show, float `[..., H, W]` over 0..65535."""
  values = pixels.astype(np.float64)
  if 'RescaleSlope' in dataset:
    values = values * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
  if 'WindowCenter' in dataset:
    first = lambda x: float(x[0] if isinstance(x, pydicom.multival.MultiValue) else x)
    function = dataset.get('VOILUTFunction', 'LINEAR')
    levels = windowed(values, first(dataset.WindowCenter), first(dataset.WindowWidth), function)
  else:
    levels = (values - values.min()) / (values.max() - values.min())
  return 65535 * (1 - levels if dataset.PhotometricInterpretation == 'MONOCHROME1' else levels)


def test_what_pydicom_decodes_is_read_and_the_rest_refused_with_a_reason(bundled):
  for file in bundled:
    assert bool(file.read) == (file.pixels is not None), file.path
    assert bool(file.refusal) == (file.pixels is None), file.path
    assert '\n' not in file.refusal
  assert sum(bool(file.read) for file in bundled) == DECODABLE


def test_grey_files_are_shown_as_the_standard_says(bundled):
  seen = 0
  for file in bundled:
    if file.read and file.dataset.PhotometricInterpretation.startswith('MONOCHROME'):
      assert 'ModalityLUTSequence' not in file.dataset
      assert 'VOILUTSequence' not in file.dataset
      expected = expected_grey(file.dataset, file.pixels)
      shown = np.stack([picture.pixels for picture in file.read])
      assert shown.dtype == np.uint16
      assert shown.shape[1:] == (*file.pixels.shape[-2:], 1)
      np.testing.assert_allclose(shown.reshape(expected.shape), expected, atol=0.501)
      seen += 1
  assert seen == 52


def test_colour_files_are_pydicoms_rgb(bundled):
  seen = set()
  for file in bundled:
    if file.read and not file.dataset.PhotometricInterpretation.startswith('MONOCHROME'):
      expected = file.pixels
      if file.dataset.PhotometricInterpretation == 'PALETTE COLOR':
        expected = apply_color_lut(expected, file.dataset)
      if expected.dtype == np.uint32:
        expected = np.rint(expected / (2**32 - 1) * 65535).astype(np.uint16)
      shown = np.stack([picture.pixels for picture in file.read])
      assert shown.dtype == expected.dtype
      np.testing.assert_array_equal(shown.reshape(expected.shape), expected)
      seen.add(file.dataset.PhotometricInterpretation)
  assert seen == {'RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT', 'PALETTE COLOR'}


def test_the_same_bars_are_the_same_colours_however_they_are_stored(bundled):
  pictures = {file.path.name: file.read[0].pixels for file in bundled if file.read}
  expected = pictures['SC_rgb_rle.dcm'].astype(int)
  names = [name for name in pictures if name.startswith(('SC_rgb_dcmtk', 'SC_ybr', 'SC_rgb_gdcm'))]
  assert len(names) == 8
  for name in names:
    # Lossy files differ most, by ringing and subsampled colour at the edges of the bars.
    assert np.median(np.abs(pictures[name] - expected)) <= 2, name


@pytest.mark.parametrize(
  ('name', 'reason'),
  [
    ('MR_truncated.dcm', r'not readable: The number of bytes .* \(8130 vs 8192 bytes\)$'),
    ('rtplan_truncated.dcm', 'no pixel data'),
    ('rtplan.dcm', 'no pixel data'),
    ('DICOMDIR', 'no pixel data'),
    ('README.txt', 'not DICOM'),
    ('rtstruct.dcm', 'DICOM with no pixel data'),  # and no preamble either
    ('badVR.dcm', 'not readable: .*1A'),
    ('meta_missing_tsyntax.dcm', 'Missing required element'),
    ('MR_small_jpeg_ls_lossless.dcm', 'JPEG-LS Lossless .*pip install pylibjpeg pylibjpeg-libjpeg'),
    ('JPGExtended.dcm', 'JPEG Extended .*12-bit.*pip install pylibjpeg pylibjpeg-libjpeg'),
  ],
)
def test_refusals_say_why(bundled, name, reason):
  [refusal] = {file.refusal for file in bundled if file.path.name == name}
  assert re.search(reason, refusal), refusal


def test_nothing_of_a_failing_plugin_or_a_warning_reaches_the_screen(capfd, caplog):
  for name in ('JPGExtended.dcm', 'GDCMJ2K_TextGBR.dcm', 'badVR.dcm', 'MR_truncated.dcm'):
    with warnings.catch_warnings():
      warnings.simplefilter('error')
      with pytest.raises(RefusedError):
        list(dicom.read(name, (BUNDLED / name).read_bytes()))
  assert capfd.readouterr() == ('', '')
  assert not caplog.records


@pytest.mark.parametrize('name', ['MR_small.dcm', 'SC_rgb_rle_2frame.dcm', 'examples_jpeg2k.dcm'])
def test_a_file_cut_short_anywhere_is_refused_or_read_and_nothing_else(name):
  data = (BUNDLED / name).read_bytes()
  refused = 0
  for length in np.linspace(0, len(data) - 8, 25).astype(int):
    try:
      list(dicom.read(name, data[:length]))
    except RefusedError:
      refused += 1
  assert refused >= 20


def test_dicom_is_known_by_its_preamble_or_its_first_element(bundled):
  for file in bundled:
    data = file.path.read_bytes()
    text = all(byte in b'\r\n\t' or byte >= 32 for byte in data[:9])
    # A profile of colours, a file with a byte too many, and a compressed one.
    assert dicom.is_dicom(data) != (
      text or file.path.name in ('crayons.icc', 'no_meta.dcm', 'zipMR.gz')
    )
  pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
  for kind in (
    'PNG',
    'JPEG',
    'BMP',
    'GIF',
    'TGA',
    'PPM',
    'TIFF',
    'WEBP',
    'ICO',
    'PCX',
    'SGI',
    'DDS',
  ):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    assert not dicom.is_dicom(file.getvalue()), kind
  for identifier in (2, 8):  # the length of a text, in a TGA
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'TGA', id_section=b'x' * identifier)
    assert not dicom.is_dicom(file.getvalue())
  assert not dicom.is_dicom(b'')


@pytest.mark.parametrize('name', ['MR_small.dcm', 'CT_small.dcm', 'JPEG-lossy.dcm', 'SC_rgb.dcm',
                                  'SC_rgb_rle_2frame.dcm', 'MR_small_bigendian.dcm'])  # fmt: skip
def test_a_file_without_its_preamble_or_header_is_the_same_picture(name):
  data = (BUNDLED / name).read_bytes() if (BUNDLED / name).exists() else None
  if data is None:
    pytest.skip('not in this version of pydicom')
  try:
    whole = list(dicom.read('a', data))
  except RefusedError:
    pytest.skip('not decoded here')
  bare = list(dicom.read('a', data[132:]))
  dataset = pydicom.dcmread(io.BytesIO(data))
  written = io.BytesIO()
  dataset.file_meta, syntax = FileMetaDataset(), dataset.file_meta.TransferSyntaxUID
  dataset.preamble = None
  little = syntax.is_little_endian
  pydicom.dcmwrite(written, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=little)
  assert written.getvalue()[128:132] != b'DICM'
  if syntax.is_compressed:
    with pytest.raises(RefusedError, match='no transfer syntax in its header, and compressed'):
      list(dicom.read('a', written.getvalue()))
  else:
    for first, second in zip(whole, dicom.read('a', written.getvalue()), strict=True):
      np.testing.assert_array_equal(first.pixels, second.pixels)
  for first, second in zip(whole, bare, strict=True):
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.group == second.group


RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_without_a_window_the_range_of_all_frames_is_shown():
  frames = np.stack([RAMP, RAMP + 20])
  pictures = read(frames)
  assert [picture.name for picture in pictures] == ['file#0000', 'file#0001']
  assert {picture.notes for picture in pictures} == {('no window: full range',)}
  shown = np.stack([picture.pixels[..., 0] for picture in pictures])
  np.testing.assert_array_equal(shown, np.rint(frames / 31 * 65535))


def test_monochrome1_is_inverted():
  picture = read(RAMP, kind='MONOCHROME1')
  assert picture.notes == ('MONOCHROME1', 'no window: full range')
  np.testing.assert_array_equal(picture.pixels[..., 0], np.rint((11 - RAMP) / 11 * 65535))


def test_twelve_bits_keep_their_depth():
  pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
  picture = read(pixels, bits=12)
  assert len(np.unique(picture.pixels)) == 4096
  assert (picture.name, picture.pixels.dtype, picture.pixels.max()) == ('file', np.uint16, 65535)


@pytest.mark.parametrize('function', ['LINEAR', 'LINEAR_EXACT', 'SIGMOID'])
def test_windows_agree_with_the_standard_and_with_pydicom(function):
  pixels = np.arange(-2000, 2000, dtype=np.int16).reshape(40, 100)
  window = {'WindowCenter': [40, 1], 'WindowWidth': [400, 1], 'VOILUTFunction': function}
  rescale = {'RescaleSlope': 0.5, 'RescaleIntercept': -100}
  shown = read(pixels, **window, **rescale).pixels[..., 0]
  values = pixels * 0.5 - 100
  expected = windowed(values, 40, 400, function)
  np.testing.assert_allclose(shown, expected * 65535, atol=0.501)
  # pydicom's result spans what 16 signed bits can be rescaled to.
  dataset = dataset_of(pixels, **window, **rescale)
  least, greatest = -(2**15) * 0.5 - 100, (2**15 - 1) * 0.5 - 100
  theirs = (apply_windowing(values, dataset) - least) / (greatest - least)
  np.testing.assert_allclose(shown, theirs * 65535, atol=0.501)


def test_a_given_window_goes_before_the_files_own():
  elements = {'WindowCenter': 5, 'WindowWidth': 3, 'RescaleSlope': 2, 'RescaleIntercept': 10}
  picture = read(RAMP, window=(20, 9), **elements)
  expected = windowed(RAMP * 2.0 + 10, 20, 9, 'LINEAR')
  np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(expected * 65535))
  assert picture.notes == ()


def test_narrow_windows_divide_by_nothing():
  step = np.where(RAMP > 5, 65535, 0)
  shown = read(RAMP, WindowCenter=6, WindowWidth=1).pixels[..., 0]  # black up to 5.5
  np.testing.assert_array_equal(shown, step)
  shown = read(RAMP, window=(5.5, 0.5)).pixels[..., 0]  # undefined for LINEAR, so exact
  np.testing.assert_array_equal(shown, step)
  assert read(RAMP, WindowCenter=6, WindowWidth=0).notes == ('no window: full range',)


HU = np.arange(0, 4096, 64, dtype=np.uint16).reshape(8, 8)


@pytest.mark.parametrize(
  ('elements', 'values'),
  [
    ({'RescaleIntercept': '-1024'}, HU - 1024.0),
    ({'RescaleSlope': '0.5'}, HU * 0.5),
    ({'RescaleSlope': '', 'RescaleIntercept': '-1024'}, HU - 1024.0),
    ({'RescaleSlope': '2', 'RescaleIntercept': ''}, HU * 2.0),
    ({'RescaleSlope': '-1', 'RescaleIntercept': '100'}, 100.0 - HU),
    ({'RescaleSlope': None, 'RescaleIntercept': None}, HU * 1.0),
  ],
)
@pytest.mark.parametrize('implicit', [False, True])
def test_half_a_rescale_or_an_empty_one_is_what_it_says(elements, values, implicit):
  dataset = dataset_of(HU, bits=12, WindowCenter='40', WindowWidth='400', **elements)
  [picture] = dicom.read('a', implicitly(dataset) if implicit else encoded(dataset))
  expected = windowed(values, 40, 400, 'LINEAR')
  np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(expected * 65535))


def implicitly(dataset):
  """Encoded without value representations, as most archives send it."""
  dataset = pydicom.dcmread(io.BytesIO(encoded(dataset)))
  dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
  file = io.BytesIO()
  pydicom.dcmwrite(file, dataset, implicit_vr=True, little_endian=True)
  return file.getvalue()


def raw(dataset, keyword, vr, value):
  """Puts bytes in place of an element's value, whatever they are."""
  tag = pydicom.tag.Tag(keyword)
  dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


@pytest.mark.parametrize(
  ('keyword', 'value'),
  [
    *(
      (key, value) for key in ('WindowCenter', 'WindowWidth') for value in (b'', b'12,5 ', b'NaN ')
    ),
    *(('WindowWidth', value) for value in (b'0 ', b'-5', b'inf ')),
    ('VOILUTFunction', b''),
    ('NumberOfFrames', b''),
    ('NumberOfFrames', b'0 '),
    ('PixelPaddingValue', b''),
    ('PatientID', b''),
    ('SpecificCharacterSet', b'NONSENSE'),
  ],
)
def test_an_optional_value_that_is_empty_or_odd_counts_as_missing(keyword, value):
  dataset = dataset_of(HU, bits=12, WindowCenter='2000', WindowWidth='1000')
  own = windowed(HU * 1.0, 2000, 1000, 'LINEAR')
  raw(dataset, keyword, pydicom.datadict.dictionary_VR(keyword).split()[0], value)
  [picture] = dicom.read('a', encoded(dataset))
  expected = HU / HU.max() if keyword.startswith('Window') else own
  np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(expected * 65535))


@pytest.mark.parametrize('keyword', ['RescaleSlope', 'RescaleIntercept'])
def test_a_scale_that_is_no_number_is_refused_by_its_name(keyword):
  dataset = dataset_of(HU, bits=12, WindowCenter='2000', WindowWidth='1000')
  for value in (b'1,5 ', b'NaN ', b'x '):
    raw(dataset, keyword, 'DS', value)
    with pytest.raises(RefusedError, match=keyword):
      list(dicom.read('a', encoded(dataset)))


def test_what_a_refusal_cites_of_a_file_is_one_short_line_that_can_be_shown():
  hostile = f'a\x1b[2J\x07\u202eb\r\u2028{"c" * 1000}'
  for error in (RefusedError(hostile), ValueError(hostile)):
    with pytest.raises(RefusedError) as refused, dicom._refusals():
      raise error
    said = str(refused.value)
    assert said.isprintable()
    assert 'a [2J  b' in said
    assert len(said) <= 250


@pytest.mark.parametrize('dtype', [np.uint8, np.int8, np.uint16, np.int16])
def test_the_range_of_stored_values_is_that_of_their_type_and_of_fewer_bits_less(dtype):
  dataset = dataset_of(np.zeros((2, 2), dtype))
  ends = np.iinfo(dtype)
  assert dicom_grey._stored_range(dataset) == (ends.min, ends.max)
  dataset.BitsStored = 5
  signed = ends.min < 0
  assert dicom_grey._stored_range(dataset) == ((-16, 15) if signed else (0, 31))


@pytest.mark.parametrize('frames', [b'-1', b'x '])
def test_a_number_of_frames_that_is_none_is_refused(frames):
  dataset = dataset_of(HU)
  raw(dataset, 'NumberOfFrames', 'IS', frames)
  with pytest.raises(RefusedError):
    list(dicom.read('a', encoded(dataset)))


@pytest.mark.parametrize('kind', ['MONOCHROME1', 'MONOCHROME2'])
@pytest.mark.parametrize('window', [None, (0, 1000)])
@pytest.mark.parametrize('implicit', [False, True])
@pytest.mark.parametrize(
  ('dtype', 'value', 'limit'),
  [('i2', -2000, None), ('i2', -2000, -1900), ('i2', 63536, None), ('u2', 4000, None),
   ('u2', 0, None), ('u2', 65000, 64000), ('u2', -536, None)],
)  # fmt: skip
def test_padding_is_black_and_counts_for_nothing(dtype, value, limit, implicit, window, kind):
  inside = np.arange(-24, 24).reshape(6, 8) * 20 + (0 if dtype == 'i2' else 1000)
  stored = int(np.array(value % 2**16, 'u2').astype(dtype))
  pixels = inside.copy()
  pixels[:2] = stored
  if limit is not None:
    pixels[1] = (stored + limit) // 2
  dataset = dataset_of(pixels.astype(dtype), kind=kind)
  dataset.add_new('PixelPaddingValue', 'SS' if -(2**15) <= value < 0 else 'US', value)
  if limit is not None:
    dataset.add_new('PixelPaddingRangeLimit', 'SS' if limit < 0 else 'US', limit)
  [picture] = dicom.read('a', implicitly(dataset) if implicit else encoded(dataset), window)
  values = inside[2:].astype(float)
  expected = (values - values.min()) / (values.max() - values.min())
  expected = expected if window is None else windowed(values, *window, 'LINEAR')
  expected = 1 - expected if kind == 'MONOCHROME1' else expected
  np.testing.assert_array_equal(picture.pixels[2:, :, 0], np.rint(expected * 65535))
  np.testing.assert_array_equal(picture.pixels[:2], 0)


def test_padding_of_floats_is_black_and_counts_for_nothing():
  values = np.array([[-999.0, 1.0, 2.0], [5.0, -999.0, 3.0]], np.float32)
  dataset = dataset_of(values)
  dataset.FloatPixelData, dataset.FloatPixelPaddingValue = values.tobytes(), -999.0
  for keyword in ('PixelData', 'BitsStored', 'HighBit', 'PixelRepresentation'):
    del dataset[keyword]
  [picture] = dicom.read('file', encoded(dataset))
  np.testing.assert_array_equal(picture.pixels[..., 0], [[0, 0, 16384], [65535, 0, 32768]])


@pytest.mark.parametrize('implicit', [False, True])
@pytest.mark.parametrize(
  ('dtype', 'intercept', 'first'),
  [('u2', -1024, -1024), ('u2', -1024, -2000), ('i2', 0, -1024), ('i2', 0, -(2**15)),
   ('u2', 0, 40000), ('u2', -1024, 30000), ('u2', -1024, 40000), ('u2', 0, 0),
   ('i2', 2**15, 40000)],
)  # fmt: skip
@pytest.mark.parametrize('vr', ['SS', 'US'])
def test_a_lookup_table_begins_where_it_says_however_that_is_written(
  vr, dtype, intercept, first, implicit
):
  table = np.random.default_rng(0).integers(0, 4096, 3000).astype(np.uint16)
  spread = np.linspace(first - 100 - intercept, first + 3100 - intercept, 48).round()
  limits = np.iinfo(dtype)
  pixels = spread.clip(limits.min, limits.max).astype(dtype).reshape(6, 8)
  item = Dataset()
  wrapped = (first + 2**15) % 2**16 - 2**15 if vr == 'SS' else first % 2**16
  item.add_new('LUTDescriptor', vr, [3000, wrapped, 12])
  item.add_new('LUTData', 'OW', table.tobytes())
  dataset = dataset_of(
    pixels, VOILUTSequence=[item], RescaleIntercept=str(intercept), RescaleSlope='1'
  )
  [picture] = dicom.read('a', implicitly(dataset) if implicit else encoded(dataset))
  places = np.clip(pixels.astype(int) + intercept - first, 0, 2999)
  np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(table[places] / 4095 * 65535))


def test_a_lookup_table_of_bytes_is_one_of_bytes():
  table = np.arange(256, dtype=np.uint8)[::-1].copy()
  item = Dataset()
  item.LUTDescriptor = [256, 0, 8]
  item.add_new('LUTData', 'OW', table.tobytes())
  picture = read(RAMP, VOILUTSequence=[item])
  np.testing.assert_array_equal(picture.pixels[..., 0], table[RAMP].astype(int) * 257)


def test_frames_of_an_enhanced_file_have_their_own_rescale_and_window():
  def groups(slope, centre):
    transformation, voi, item = Dataset(), Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = slope, 0
    transformation.RescaleType = 'US'
    voi.WindowCenter, voi.WindowWidth = centre, 9
    item.PixelValueTransformationSequence, item.FrameVOILUTSequence = [transformation], [voi]
    return item

  pictures = read(
    np.stack([RAMP, RAMP]), PerFrameFunctionalGroupsSequence=[groups(1, 5), groups(3, 12)]
  )
  for picture, slope, centre in zip(pictures, (1, 3), (5, 12), strict=True):
    expected = windowed(RAMP * float(slope), centre, 9, 'LINEAR')
    np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(expected * 65535))
    assert picture.notes == ()


@pytest.mark.parametrize(('bits', 'vr'), [(8, 'OW'), (12, 'US')])
def test_lookup_tables_of_either_module_are_applied(bits, vr):
  table = np.arange(300)[::-1] % 2**bits  # more entries than eight bits can count
  item = Dataset()
  item.LUTDescriptor = [300, 2, bits]
  item.add_new('LUTData', vr, table.astype('<u2').tobytes() if vr == 'OW' else table.tolist())
  item.ModalityLUTType = 'US'
  pixels = np.arange(400, dtype=np.uint16).reshape(20, 20)
  looked_up = table[np.clip(pixels.astype(int) - 2, 0, 299)]
  shown = read(pixels, VOILUTSequence=[item])
  np.testing.assert_array_equal(shown.pixels[..., 0], np.rint(looked_up / (2**bits - 1) * 65535))
  assert shown.notes == ()
  shown = read(pixels, ModalityLUTSequence=[item], window=(100, 101)).pixels[..., 0]
  expected = windowed(looked_up, 100, 101, 'LINEAR')
  np.testing.assert_array_equal(shown, np.rint(expected * 65535))


def test_a_window_over_dose_is_in_its_units():
  dose = np.arange(0, 120_000, 10_000, dtype=np.uint32).reshape(3, 4)
  shown = read(dose, DoseGridScaling='0.0001', window=(6, 6)).pixels[..., 0]
  expected = windowed(dose * 1e-4, 6, 6, 'LINEAR')
  np.testing.assert_allclose(shown, expected * 65535, atol=0.501)


def test_float_pixels_that_are_not_numbers_are_black():
  values = np.array([[np.nan, 1.0, 2.0], [5.0, np.inf, -np.inf]], np.float32)
  dataset = dataset_of(values)
  dataset.FloatPixelData = values.tobytes()
  for keyword in ('PixelData', 'BitsStored', 'HighBit', 'PixelRepresentation'):
    del dataset[keyword]
  [picture] = dicom.read('file', encoded(dataset))
  np.testing.assert_array_equal(picture.pixels[..., 0], [[0, 0, 16384], [65535, 65535, 0]])


@pytest.mark.parametrize('kind', ['MONOCHROME1', 'MONOCHROME2'])
def test_a_constant_image_is_black(kind):
  np.testing.assert_array_equal(read(np.full((3, 4), 7, np.uint8), kind=kind).pixels, 0)


def test_colour_of_twelve_bits_fills_sixteen():
  pixels = np.arange(0, 4096, 91, dtype=np.uint16)[:45].reshape(5, 3, 3)
  picture = read(pixels, kind='RGB', bits=12)
  np.testing.assert_array_equal(picture.pixels, np.rint(pixels / 4095 * 65535))
  assert (picture.notes, picture.pixels.dtype) == ((), np.uint16)


@pytest.mark.parametrize('kind', ['YBR_FULL_422', 'RGB'])
def test_jpeg_with_an_adobe_marker_is_converted_once(kind):
  red = np.full((16, 16, 3), [200, 40, 40], np.uint8)
  file = io.BytesIO()
  Image.fromarray(red).save(file, 'JPEG', quality=95)
  jpeg = file.getvalue()
  after_jfif = 4 + int.from_bytes(jpeg[4:6])
  marker = b'\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01'
  dataset = dataset_of(red, kind=kind)
  dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
  dataset.PixelData = encapsulate([jpeg[:2] + marker + jpeg[after_jfif:]])
  [picture] = dicom.read('file', encoded(dataset))
  np.testing.assert_allclose(picture.pixels.astype(int), red, atol=3)


@pytest.mark.parametrize('count', [256, 258, 0])  # 0: 65,536
def test_a_palette_of_bytes_has_at_most_256_entries(count):
  table = np.random.default_rng(0).integers(0, 256, (3, count or 2**16), np.uint8)
  elements = {}
  for colour, entries in zip(('Red', 'Green', 'Blue'), table, strict=True):
    name = f'{colour}PaletteColorLookupTable'
    elements |= {f'{name}Descriptor': [count, 0, 8], f'{name}Data': entries.tobytes()}
  if count == 256:
    shown = read(RAMP, kind='PALETTE COLOR', **elements).pixels
    np.testing.assert_array_equal(shown, table.T[RAMP])
    return
  with pytest.raises(RefusedError, match=f'a palette of {count} entries of 8 bits'):
    read(RAMP, kind='PALETTE COLOR', **elements)


def test_colours_that_are_not_known_are_refused():
  pixels = np.zeros((4, 4, 3), np.uint8)
  with pytest.raises(RefusedError, match='colours in HSV'):
    read(pixels, kind='HSV')


def test_the_group_is_the_patient_and_else_the_study():
  assert read(RAMP).group == ''
  study = read(RAMP, StudyInstanceUID='1.2.3', PatientID=' ').group
  assert study.startswith('study-')
  assert study != read(RAMP, StudyInstanceUID='1.2.4').group
  picture = read(RAMP, StudyInstanceUID='1.2.3', PatientID='P7', PatientName='Doe^Jane')
  assert picture.group.startswith('patient-')
  assert picture.group == read(RAMP, StudyInstanceUID='9', PatientID='P7').group
  assert picture.group != read(RAMP, StudyInstanceUID='1.2.3', PatientID='P8').group
  assert not any(name in repr(picture) for name in ('Doe', 'P7', '1.2.3'))


@pytest.mark.parametrize('patient', ['4711023', 'MUSTERMANN^ERIKA', '0'])
def test_no_id_is_found_by_trying_and_the_salt_alone_decides(patient):
  data = encoded(dataset_of(RAMP, PatientID=patient, StudyInstanceUID='1.2'))
  group = lambda salt: next(dicom.read('a', data, salt=salt)).group
  assert group(b'one') == group(b'one')
  assert group(b'one') != group(b'two')
  tries = [hashlib.sha256(prefix + patient.encode()).hexdigest() for prefix in (b'', b'one')]
  assert not any(group(b'one').split('-')[1] in digest for digest in tries)
  assert len(dicom.SALT) >= 16


def test_a_frame_of_incredible_size_is_refused_before_it_is_allocated():
  dataset = dataset_of(RAMP, Rows=65535, Columns=65535)
  with pytest.raises(RefusedError, match='65535 x 65535 pixels'):
    list(dicom.read('file', encoded(dataset)))


def deflated(dataset, more=b''):
  """Encoded by the deflated transfer syntax, with more bytes behind it."""
  dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
  data = encoded(dataset)
  if not more:
    return data
  file = io.BytesIO(data)
  pydicom.filereader.read_preamble(file, False)
  pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
  start = file.tell()
  pack = zlib.compressobj(9, zlib.DEFLATED, -15)
  inflated = zlib.decompress(data[start:], -15)
  return data[:start] + pack.compress(inflated + more) + pack.flush()


def test_a_deflated_file_is_read_and_one_that_inflates_too_far_is_not():
  np.testing.assert_array_equal(
    read(HU).pixels, next(dicom.read('a', deflated(dataset_of(HU)))).pixels
  )
  bomb = b'\xfc\xff\xfc\xffOB\0\0' + struct.pack('<I', 2**28) + bytes(2**28)
  for data in (deflated(dataset_of(HU), bomb), deflated(dataset_of(HU), bomb)[132:]):
    assert len(data) < 2**19
    tracemalloc.start()
    with pytest.raises(RefusedError, match='deflated from more than 268,435,456 bytes'):
      list(dicom.read('a', data))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
  cut = deflated(dataset_of(HU))[:-20]
  with pytest.raises(RefusedError):
    list(dicom.read('a', cut))


def test_frames_that_are_counted_but_missing_are_refused():
  dataset = dataset_of(RAMP)
  dataset.compress(RLELossless)
  dataset.NumberOfFrames = 10**9
  with pytest.raises(RefusedError, match='not readable'):
    list(dicom.read('file', encoded(dataset), window=(5, 5)))
