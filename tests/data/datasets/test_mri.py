import nibabel as nib
import numpy as np
import pytest

from tests.data.datasets import trees

FOLDER = 'packages/mricron-data/usr/share/mricron/templates'
AXES = {'sagittal': 0, 'coronal': 1, 'axial': 2}
# Shape, mm a voxel and place of the first voxel, mm; the second is stored from right to left.
VOLUMES = {
  'ch2': ((60, 64, 56), 1.0, (20.0, 21.0, 22.0)),
  'ch2better': ((80, 84, 88), 0.5, (35.0, 33.5, 31.0)),
}


def voxels(volume):
  """A ramp that differs along every axis, so that no two slices and no two sides are alike."""
  x, y, z = np.indices(VOLUMES[volume][0])
  return (1000 + 20 * x + 7 * y + 3 * z).astype(np.int16)


def levels(volume):
  low, high = np.percentile(voxels(volume), [0.5, 99.5])
  return np.rint(np.clip((voxels(volume) - low) / (high - low), 0, 1) * 65535)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('data')
  for volume, (shape, spacing, origin) in VOLUMES.items():
    data, affine = voxels(volume), np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = origin
    if volume == 'ch2better':
      data = data[::-1]
      affine[0] = -spacing, 0, 0, origin[0] + spacing * (shape[0] - 1)
    trees.write(data_dir / FOLDER / f'{volume}.nii.gz', b'')
    nib.save(nib.Nifti1Image(data, affine), data_dir / FOLDER / f'{volume}.nii.gz')
  return trees.prepare('mri', data_dir)


def places(examples):
  """Volume, plane and millimetre along its axis of each slice, by name."""
  found = {}
  for name in examples:
    volume, rest = name.split('/')
    plane, index = rest.split('#s')
    _, spacing, origin = VOLUMES[volume]
    found[name] = volume, plane, origin[AXES[plane]] + spacing * int(index)
  return found


def test_slices_are_16_bit_squares_labelled_by_their_plane(prepared):
  examples, builder = prepared
  trees.assert_whole(examples, builder, (224, 224, 1), np.uint16)
  names = builder.info.features['label'].names
  assert all(names[examples[n]['label']] == plane for n, (_, plane, _) in places(examples).items())


def test_the_same_millimetres_of_both_volumes_are_held_out_with_two_on_either_side_left_out(
  prepared,
):
  examples, _ = prepared
  found = {(*place, examples[name]['split']) for name, place in places(examples).items()}
  expected = set()
  for volume, (shape, spacing, origin) in VOLUMES.items():
    for plane, axis in AXES.items():
      for index in range(shape[axis]):
        place = origin[axis] + spacing * index
        if 50 <= place < 60:
          expected.add((volume, plane, place, 'test'))
        elif not 48 <= place < 62:
          expected.add((volume, plane, place, 'train'))
  assert found == expected


@pytest.mark.parametrize('plane', AXES)
def test_no_held_out_slice_is_within_two_millimetres_of_one_for_training(prepared, plane):
  examples, _ = prepared
  at = {'train': [], 'test': []}
  for name, (_, its_plane, place) in places(examples).items():
    if its_plane == plane:
      at[examples[name]['split']].append(place)
  assert np.abs(np.subtract.outer(at['train'], at['test'])).min() >= 2


def test_slices_of_a_millimetre_a_voxel_are_centred_as_they_are(prepared):
  examples, _ = prepared
  volume = levels('ch2')
  expected = {
    'sagittal': lambda row, column: volume[7, 63 - column, 55 - row],
    'coronal': lambda row, column: volume[59 - column, 7, 55 - row],
    'axial': lambda row, column: volume[59 - column, 63 - row, 7],
  }
  for plane, (height, width) in (
    ('sagittal', (56, 64)),
    ('coronal', (56, 60)),
    ('axial', (64, 60)),
  ):
    image = examples[f'ch2/{plane}#s0007']['image'][..., 0]
    top, left = 112 - height // 2, 112 - width // 2
    inside = image[top : top + height, left : left + width]
    pixels = np.array([[expected[plane](r, c) for c in range(width)] for r in range(height)])
    np.testing.assert_allclose(inside, pixels, atol=1)  # levels are reckoned in float32
    assert image.sum(dtype=np.int64) == inside.sum(dtype=np.int64)  # black around it


def test_finer_slices_are_scaled_to_a_millimetre_and_centred(prepared):
  examples, _ = prepared
  image = examples['ch2better/axial#s0002']['image'][..., 0].astype(np.float64)
  shown = levels('ch2better')[:, :, 2].T[::-1, ::-1]
  means = shown.reshape(42, 2, 40, 2).mean(axis=(1, 3))
  inside = image[112 - 21 : 112 + 21, 112 - 20 : 112 + 20]
  # A cubic keeps a ramp; it bends where levels are cut off and at the edges.
  np.testing.assert_allclose(inside[3:-3, 3:-3], means[3:-3, 3:-3], atol=0.01 * 65535)
  assert image.sum() == inside.sum()


def test_groups_are_slabs_of_one_plane_on_one_side(prepared):
  examples, _ = prepared
  planes = {}
  for name, (_, plane, place) in places(examples).items():
    planes.setdefault(examples[name]['group'], []).append((plane, place < 55))
  for slices in planes.values():
    assert len({plane for plane, _ in slices}) == 1
  # Before the slab, in it, and after it, in each of three planes.
  assert len(planes) == 9
