import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from gan_jax.data.ingest import nifti
from gan_jax.data.ingest.picture import RefusedError

RAS = np.eye(4)


def encoded(voxels, affine=RAS, kind=nib.Nifti1Image):
  return kind(voxels, affine).to_bytes()


def read(voxels, affine=RAS, name='a/volume.nii', **options):
  options = {'percentiles': (0, 100), 'empty_below': 0} | options
  return list(nifti.read(name, encoded(voxels, affine), **options))


def ball(shape=(20, 24, 16), radius=6):
  """A bright ball over a dim noise that is nowhere zero, float32."""
  place = np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) // 2
  noise = np.random.default_rng(0).uniform(1, 3, shape)
  return np.where((place**2).sum(0) < radius**2, 100 + place[0], noise).astype(np.float32)


# Where a voxel at the patient's left, anterior, superior corner is to be seen: [row, column].
CORNER = {0: (0, 0), 1: (0, -1), 2: (0, -1)}


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('codes', ['RAS', 'LPS', 'LIA', 'PSR', 'ASL', 'SPR'])
def test_the_patient_is_the_usual_way_up_however_a_volume_is_stored(codes, axis):
  ras = np.ones((3, 4, 5), np.float32)
  ras[0, -1, -1] = 9  # least toward the right, most toward anterior and superior
  turn = nib.orientations.ornt_transform(
    nib.orientations.axcodes2ornt('RAS'), nib.orientations.axcodes2ornt(codes)
  )
  stored = nib.Nifti1Image(ras, RAS).as_reoriented(turn)
  assert nib.aff2axcodes(stored.affine) == tuple(codes)
  pictures = read(np.asarray(stored.dataobj), stored.affine, axis=axis)
  assert [p.name for p in pictures] == [f'a/volume.nii#s{i:04d}' for i in range(ras.shape[axis])]
  shape = {0: (5, 4, 1), 1: (5, 3, 1), 2: (4, 3, 1)}[axis]  # superior or anterior are rows
  assert {p.pixels.shape for p in pictures} == {shape}
  bright = [i for i, p in enumerate(pictures) if p.pixels.max() == 65535]
  assert bright == [0 if axis == 0 else ras.shape[axis] - 1]
  assert pictures[bright[0]].pixels[CORNER[axis]] == 65535
  assert sum(int((p.pixels > 0).sum()) for p in pictures) == 1


def test_intensities_are_percentiles_of_the_foreground():
  volume = ball()
  volume[:3] = 0
  pictures = read(volume, percentiles=(5, 90))
  least, greatest = np.percentile(volume[volume != 0], (5, 90))
  expected = np.clip((volume - least) / (greatest - least), 0, 1) * 65535
  shown = np.stack([picture.pixels[::-1, ::-1, 0].T for picture in pictures], axis=-1)
  assert shown.dtype == np.uint16
  np.testing.assert_allclose(shown, expected, atol=0.51)


def test_the_scale_and_type_of_a_file_do_not_matter():
  volume = np.round(ball())
  small = nib.Nifti1Image(volume.astype(np.int16), RAS)
  small.header.set_slope_inter(0.25, -40)
  pictures = [
    read(volume),
    list(nifti.read('v.nii', encoded(volume.astype('>f8')), percentiles=(0, 100), empty_below=0)),
    list(nifti.read('v.nii', encoded(volume, kind=nib.Nifti2Image), percentiles=(0, 100))),
    list(nifti.read('v.nii.gz', gzip.compress(small.to_bytes()), percentiles=(0, 100))),
  ]
  for others in pictures[1:]:
    by_slice = {picture.name[-5:]: picture.pixels for picture in others}
    for picture in pictures[0]:
      if picture.name[-5:] in by_slice:
        np.testing.assert_array_equal(picture.pixels, by_slice[picture.name[-5:]])


def test_empty_slices_are_left_out():
  volume = ball()
  pictures = read(volume, empty_below=0.02)
  bright = [(volume[:, :, z] > 50).mean() >= 0.02 for z in range(16)]
  assert [int(picture.name[-4:]) for picture in pictures] == list(np.flatnonzero(bright))
  assert 0 < len(pictures) < 16
  assert len(read(volume, empty_below=0)) == 16


@pytest.mark.parametrize(
  ('asked', 'places'), [((2, 5), [2, 3, 4]), ((None, 1), [0]), ((-1, None), [15])]
)
def test_a_range_of_slices(asked, places):
  pictures = read(ball(), slices=asked)
  assert [int(picture.name[-4:]) for picture in pictures] == places
  np.testing.assert_array_equal(pictures[0].pixels, read(ball())[places[0]].pixels)


def test_volumes_of_a_series_are_read_in_turn_each_in_its_own_range():
  series = np.stack([ball(), 3 * ball()], axis=-1)
  pictures = read(series, name='b.nii')
  assert [pictures[0].name, pictures[-1].name] == ['b.nii#v00s0000', 'b.nii#v01s0015']
  assert len(pictures) == 32
  for first, second in zip(pictures[:16], pictures[16:], strict=True):
    np.testing.assert_allclose(first.pixels.astype(int), second.pixels, atol=1)
  longer = read(series[..., None, :1])  # a length of 1 beyond the third is no series
  assert [picture.name for picture in longer[:1]] == ['a/volume.nii#s0000']


@pytest.mark.parametrize(('shape', 'shown'), [((3, 4), (4, 3, 1)), ((12,), (1, 12, 1))])
def test_a_single_slice_or_line_is_a_volume(shape, shown):
  [picture] = read(np.arange(1, 13, dtype=np.uint8).reshape(shape))
  assert picture.pixels.shape == shown


def test_voxels_that_are_not_finite_are_black_and_do_not_count():
  volume = ball()
  plain = read(volume)
  volume[0, 0, 0], volume[0, 0, 1], volume[0, 0, 2] = np.nan, np.inf, -np.inf
  for index, (before, after) in enumerate(zip(plain, read(volume), strict=True)):
    expected = before.pixels.copy()
    if index < 3:
      expected[-1, -1] = 0  # least anterior, least toward the right
    np.testing.assert_allclose(after.pixels.astype(int), expected, atol=1)


def test_a_mask_is_black_and_white():
  mask = (ball() > 50).astype(np.uint8)
  pictures = read(mask, empty_below=0.02)
  assert set(np.unique([picture.pixels for picture in pictures])) == {0, 65535}
  assert sum((picture.pixels > 0).sum() for picture in pictures) <= mask.sum()


@pytest.mark.parametrize('empty', [np.zeros((4, 4, 4)), np.full((4, 4, 4), np.nan)])
def test_a_volume_of_nothing_is_refused(empty):
  with pytest.raises(RefusedError, match='no slice is left'):
    read(empty, empty_below=0.02)


@pytest.mark.parametrize(
  ('name', 'group'),
  [('s/01.nii.gz', 's/01'), ('x.NII', 'x'), ('brain', 'brain'), ('a.nii.nii', 'a.nii')],
)
def test_the_group_is_the_name_without_its_suffix(name, group):
  data = encoded(ball())
  assert {picture.group for picture in nifti.read(name, data)} == {group}


def test_nifti_is_known_by_its_name_or_its_first_bytes():
  assert nifti.is_volume('a.nii', b'')
  assert nifti.is_volume('A.NII.GZ', b'')
  assert nifti.is_volume('volume', encoded(ball()))
  assert nifti.is_volume('volume', encoded(ball(), kind=nib.Nifti2Image))
  assert nifti.is_volume('a.gz', gzip.compress(encoded(ball())))
  assert not nifti.is_volume('a.gz', gzip.compress(b'text'))
  assert not nifti.is_volume('a.gz', gzip.compress(encoded(ball()))[:99])
  assert not nifti.is_volume('a.gz', b'')
  assert not nifti.is_volume('a.png', b'\x89PNG')


def test_truncated_and_broken_files_are_refused_with_a_reason():
  data = encoded(ball())
  packed = gzip.compress(data)
  broken = packed[:2000] + bytes(100) + packed[2100:]
  for file, reason in [
    (data[:-1], r'truncated: \d+ of \d+ bytes'),
    (data[:300], 'not NIfTI'),
    (b'', 'not NIfTI'),
    (packed[:-100], 'broken or truncated gzip'),
    (packed[:5], 'broken or truncated gzip'),
    (broken, 'broken or truncated gzip'),
    (gzip.compress(b'text' * 200), 'not NIfTI'),
  ]:
    with pytest.raises(RefusedError, match=reason):
      list(nifti.read('a.nii.gz', file))


def colours_of(shape, names='RGB'):
  voxels = np.zeros(shape, [(name, 'u1') for name in names])
  rng = np.random.default_rng(0)
  for name in names:
    voxels[name] = rng.integers(0, 256, shape)
  return voxels


@pytest.mark.parametrize('names', ['RGB', 'RGBA'])
@pytest.mark.parametrize('kind', [nib.Nifti1Image, nib.Nifti2Image])
def test_a_volume_of_colours_is_shown_as_it_is(kind, names):
  voxels = colours_of((3, 4, 5), names)
  data = kind(voxels, RAS).to_bytes()
  pictures = list(nifti.read('v.nii', gzip.compress(data)))
  assert [picture.name for picture in pictures] == [f'v.nii#s{i:04d}' for i in range(5)]
  for place, picture in enumerate(pictures):
    assert picture.pixels.dtype == np.uint8
    for channel, name in enumerate(names):
      expected = voxels[name][:, :, place].T[::-1, ::-1]
      np.testing.assert_array_equal(picture.pixels[..., channel], expected)


def test_empty_slices_of_colours_are_left_out_and_series_of_them_are_read():
  voxels = colours_of((6, 5, 4, 2))
  voxels[:, :, 1] = 0
  pictures = list(nifti.read('v.nii', encoded(voxels)))
  assert [picture.name for picture in pictures] == [
    f'v.nii#v{v:02d}s000{s}' for v in range(2) for s in (0, 2, 3)
  ]


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize('name', ['v.mgz', 'v.mgh', 'V.MGZ', 'v.mgh.gz'])
def test_mgh_is_read_as_nifti_of_the_same_is(name, dtype):
  voxels = np.round(ball()).astype(dtype)
  affine = np.array([[0, 0, 2.0, -5], [-3, 0, 0, 7], [0, 1, 0, 2], [0, 0, 0, 1]])
  data = nib.MGHImage(voxels, affine).to_bytes()
  data = data if name == 'v.mgh' else gzip.compress(data)
  assert nifti.is_volume(name, data)
  found = list(nifti.read(name, data))
  expected = list(nifti.read('v.nii', encoded(voxels, affine)))
  assert [p.name.split('#')[1] for p in found] == [p.name.split('#')[1] for p in expected]
  for first, second in zip(found, expected, strict=True):
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.group == name.split('.')[0]


@pytest.mark.parametrize('length', [0, 3, 200, 283, 400, -100])
def test_mgh_cut_short_is_refused(length):
  data = nib.MGHImage(ball().astype(np.float32), RAS).to_bytes()
  for cut in (data[:length], gzip.compress(data)[:length]):
    with pytest.raises(RefusedError) as refused:
      list(nifti.read('v.mgz', cut[: 284 + 20 * 24 * 16 * 4 - 9]))
    assert '\n' not in str(refused.value)


def test_half_a_pair_is_refused_by_what_is_missing():
  header = nib.Nifti1Pair(ball(), RAS).header
  header['magic'] = b'ni1'
  assert nifti.is_volume('v.hdr', header.binaryblock)
  with pytest.raises(RefusedError, match=r'the header of a pair, whose \.img is not beside it'):
    list(nifti.read('v.hdr', header.binaryblock))


def test_what_is_no_volume_of_numbers_or_colours_is_refused():
  with pytest.raises(RefusedError, match='complex numbers'):
    read(np.zeros((4, 4, 4), np.complex64))
  with pytest.raises(RefusedError, match=r'shape \(4, 4, 4, 1, 3\)'):
    read(np.ones((4, 4, 4, 1, 3)))


def test_a_claim_of_more_than_four_gibibytes_is_refused_before_it_is_read():
  header = nib.Nifti1Header()
  header.set_data_shape((30000, 30000, 30))
  header.set_data_dtype(np.float32)
  data = gzip.compress(header.binaryblock + bytes(1000))
  with pytest.raises(RefusedError, match=r'100\.6 GiB; at most 4'):
    list(nifti.read('a.nii.gz', data))


def test_a_volume_of_more_voxels_than_memory_has_room_for_is_refused_before_it_is_read():
  header = nib.Nifti1Header()
  header.set_data_shape((1024, 1024, 257))
  header.set_data_dtype(np.uint8)
  with pytest.raises(RefusedError, match=r'269,484,032 voxels; at most 268,435,456'):
    list(nifti.read('a.nii.gz', gzip.compress(header.binaryblock + bytes(1000))))


def test_a_long_series_takes_the_memory_of_one_volume():
  volume = np.random.default_rng(0).integers(1, 9, (64, 64, 16)).astype(np.uint8)
  header = nib.Nifti1Header()
  header.set_data_shape((64, 64, 16, 80))
  header.set_data_dtype(np.uint8)
  header.set_sform(RAS, 1)
  header['magic'], header['vox_offset'] = b'n+1', 352
  data = gzip.compress(header.binaryblock + bytes(4) + volume.tobytes(order='F') * 80, 1)
  tracemalloc.start()
  expected = [picture.pixels for picture in read(volume)]
  for number, picture in enumerate(
    nifti.read('v.nii.gz', data, percentiles=(0, 100), empty_below=0)
  ):
    if number % 160 < 16:
      np.testing.assert_array_equal(picture.pixels, expected[number % 16])
  assert number == 16 * 80 - 1
  assert tracemalloc.get_traced_memory()[1] < 40 * volume.nbytes
  tracemalloc.stop()


def test_headers_with_any_byte_wrong_are_refused_or_read_and_nothing_is_printed(capfd):
  data = encoded(ball((6, 6, 6), 3))
  rng = np.random.default_rng(0)
  refused = 0
  for _ in range(300):
    wrong = bytearray(data)
    for place in rng.integers(0, 352, 4):
      wrong[place] = rng.integers(256)
    try:
      list(nifti.read('a.nii', bytes(wrong)))
    except RefusedError:
      refused += 1
  assert 0 < refused < 300
  assert capfd.readouterr() == ('', '')
