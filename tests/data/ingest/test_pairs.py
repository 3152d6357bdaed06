import functools
import gzip
import io

import nibabel as nib
import numpy as np
import pytest

from gan_jax.data.ingest import nifti, pairs
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.data.ingest.sources import File

LAS = np.diag([-1.0, 1, 1, 1])  # what Analyze is, which knows of no other


def stored(image):
  """Header and voxels, as nibabel writes them."""
  holders = {name: nib.FileHolder(fileobj=io.BytesIO()) for name, _ in image.files_types}
  image.to_file_map(holders)
  return holders['header'].fileobj.getvalue(), holders['image'].fileobj.getvalue()


def voxels(dtype=np.int16):
  return np.random.default_rng(0).integers(1, 250, (5, 6, 7)).astype(dtype)


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('dtype', [np.uint8, np.int16, '>i2', np.float32])
@pytest.mark.parametrize(
  'kind',
  [nib.Nifti1Pair, nib.Nifti2Pair, nib.AnalyzeImage, nib.Spm2AnalyzeImage, nib.Spm99AnalyzeImage],
)
def test_both_files_are_read_as_one_of_the_same_is(kind, dtype, packed):
  values = voxels(dtype)
  header = kind.header_class(endianness='>' if str(dtype).startswith('>') else '<')
  header.set_data_dtype(dtype)
  header, image = stored(kind(values, LAS, header))
  image = gzip.compress(image) if packed else image
  found = list(nifti.read('v.img', pairs.single(header, image), empty_below=0))
  whole = nib.Nifti1Image(values, LAS).to_bytes()
  expected = list(nifti.read('v.nii', whole, empty_below=0))
  assert len(found) == len(expected) == 7
  for first, second in zip(found, expected, strict=True):
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.group == 'v'


def test_scales_of_a_pair_are_kept():
  image = nib.Nifti1Pair(voxels(), LAS)
  image.header.set_slope_inter(0.5, 7)
  header, data = stored(image)
  single = nib.Nifti1Image.from_bytes(pairs.single(header, data))
  both = {
    name: nib.FileHolder(fileobj=io.BytesIO(d))
    for name, d in zip(('header', 'image'), (header, data), strict=True)
  }
  expected = nib.Nifti1Pair.from_file_map(both).get_fdata()
  assert not (expected == voxels()).all()
  np.testing.assert_array_equal(single.get_fdata(), expected)


def test_files_of_a_source_are_paired_by_their_names():
  header, image = stored(nib.Nifti1Pair(voxels(), LAS))
  contents = {
    **{'a/1.hdr': header, 'a/1.img': image, 'b/1.HDR': header, 'b/1.img.gz': gzip.compress(image)},
    **{'alone.img': image, 'c/1.hdr': header, 'x.png': b'x'},
  }
  files = [File(name, functools.partial(contents.get, name), stamp=name) for name in contents]
  joined = pairs.joined(files)
  assert [file.name for file in joined] == [
    'a/1.img',
    'b/1.img.gz',
    'alone.img',
    'c/1.hdr',
    'x.png',
  ]
  for file in joined[:2]:
    assert len(list(nifti.read(file.name, file.read(), empty_below=0))) == 7
    assert nifti.is_volume(file.name, file.read())
  assert joined[0].stamp == 'a/1.hdr a/1.img'
  assert joined[2:] == [files[4], files[5], files[6]]


@pytest.mark.parametrize('length', [0, 10, 300, 347])
def test_a_header_cut_short_is_refused(length):
  for kind in (nib.Nifti1Pair, nib.AnalyzeImage):
    header, image = stored(kind(voxels(), LAS))
    with pytest.raises(RefusedError) as refused:
      pairs.single(header[:length], image)
    assert '\n' not in str(refused.value)


def test_voxels_cut_short_are_refused():
  header, image = stored(nib.Nifti1Pair(voxels(), LAS))
  with pytest.raises(RefusedError, match='truncated'):
    list(nifti.read('v.img', pairs.single(header, image[:-1])))
  with pytest.raises(RefusedError, match='not readable'):
    pairs.single(header, gzip.compress(image)[:-9])
