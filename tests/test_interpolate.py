import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import interpolate
from gan_jax.errors import UserError
from gan_jax.interpolate import Film
from gan_jax.sampling import about, mixing
from gan_jax.sampling.grid import enlarged, opaque
from tests.command_line import call
from tests.sampling import drawn
from tests.test_sample import KINDS, xmp_of


@pytest.mark.parametrize('kind', KINDS)
def test_films_of_every_kind_of_image_show_the_walk(kind, tmp_path):
  model = drawn.model(**KINDS[kind])
  keys, _ = interpolate.read_keyframes(model, [3, 4])
  shown = Film(frames=3, fps=10, size=3 * 16)
  for name in ('a.webp', 'a.mp4'):
    assert interpolate.write_walk(model, keys, str(tmp_path / name), shown) == 6
  expected = enlarged(opaque(model.interpolate([3, 4], frames=3, loop=True)), 3)
  with Image.open(tmp_path / 'a.webp') as file:
    assert (file.n_frames, file.size) == (6, (expected.shape[2], expected.shape[1]))
    for number, frame in enumerate(expected):
      file.seek(number)
      np.testing.assert_array_equal(
        np.asarray(file.convert('RGB')), np.broadcast_to(frame, (*frame.shape[:2], 3))
      )
    assert xmp_of(file)['DigitalSourceType'] == about.SYNTHETIC
  count, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / 'a.mp4'))
  assert (count, seconds) == (6, pytest.approx(0.6))


def test_walks_side_by_side_are_each_the_walk_of_their_keyframes(plain, tmp_path):
  keys, told = interpolate.read_keyframes(plain, [0, 1, 2, 3, 4, 5, 6, 7], '1')
  assert (told['Seeds'], told['Classes'], told['Space']) == ('0-7', 'a dog', 'z')
  shown = Film(frames=2, columns=2, rows=2, size=16, loop=False)
  assert interpolate.write_walk(plain, keys, str(tmp_path / 'a.webp'), shown, told=told) == 3
  with Image.open(tmp_path / 'a.webp') as file:
    assert file.size == (32, 32)
    assert xmp_of(file)['Seeds'] == '0-7'
    file.seek(1)
    cells = np.asarray(file.convert('L')).reshape(2, 16, 2, 16).transpose(0, 2, 1, 3)
  for cell in range(4):
    alone = plain.interpolate([2 * cell, 2 * cell + 1], [1, 1], frames=2)
    np.testing.assert_array_equal(cells[cell // 2, cell % 2], alone[1, ..., 0])
  for columns, rows in ((3, 1), (8, 1), (0, 1)):
    with pytest.raises(UserError, match=f'--grid={columns}x{rows}: .*accepted: '):
      interpolate.divided(keys, columns, rows)


def test_the_command_walks_as_its_flags_say(finished, tmp_path):
  out = tmp_path / 'a.webp'
  flags = '--seeds=0-3', '--classes=3', '--frames=2', '--fps=4', '--noloop', '--grid=2x1'
  said = call('interpolate', f'--workdir={finished[0]}', f'--out={out}', '--size=16', *flags)
  assert said.code == 0, said.err
  assert f'{out}: 3 frames, 0.8 s' in said.out
  model = gan_jax.open(finished[0])
  with Image.open(out) as file:
    assert (file.n_frames, file.size) == (3, (32, 16))
    file.seek(1)
    shown = np.asarray(file.convert('L'))
  for cell in range(2):
    alone = model.interpolate([2 * cell, 2 * cell + 1], [3, 3], frames=2)
    np.testing.assert_array_equal(shown[:, 16 * cell : 16 * (cell + 1)], alone[1, ..., 0])


def test_one_seed_goes_through_the_classes_and_a_file_comes_before_seeds(plain, styled, tmp_path):
  keys, told = interpolate.read_keyframes(plain, [5], 'cat,猫')
  np.testing.assert_array_equal(keys.points, np.repeat(plain.latents(1, seed=5), 2, axis=0))
  np.testing.assert_array_equal(keys.weights, np.eye(3)[[0, 2]])
  assert told['Classes'] == 'cat, 猫'
  path = str(tmp_path / 'projected.npz')
  w = np.random.default_rng(0).standard_normal((1, *styled.styles_shape)).astype(np.float32)
  np.savez(path, w=w)
  keys, told = interpolate.read_keyframes(styled, [5, 6], '1', path, truncation=0.5)
  np.testing.assert_array_equal(keys.points[:1], w)
  latents = np.concatenate([styled.latents(1, seed=seed) for seed in (5, 6)])
  np.testing.assert_array_equal(keys.points[1:], styled.styles(latents, 1, 0.5))
  assert told == {'Latents': 'projected.npz', 'Seeds': '5-6', 'Classes': 'a dog', 'Space': 'w'}
  with pytest.raises(UserError, match='holds w; accepted: --space=w'):
    interpolate.read_keyframes(styled, [5], latents=path, space='z')
  with pytest.raises(UserError, match='--classes=1: of keyframes by --seeds'):
    interpolate.read_keyframes(styled, [], '1', path)
  np.savez(path, z=np.ones((2, 8)), labels=[1, 2])
  keys, _ = interpolate.read_keyframes(plain, [5], 'cat', path)
  np.testing.assert_array_equal(keys.weights, np.eye(3)[[1, 2, 0]])


def test_a_table_mixes_the_layers_asked_for(styled, tmp_path):
  z = styled.latents(5)
  rows, columns = styled.styles(z[:2], 0), styled.styles(z[2:], 0)
  of_rows, of_columns, table = mixing.table(styled, rows, columns, [0, 1])
  assert table.shape == (2, 3, 16, 16, 1)
  mixed = rows[1].copy()
  mixed[:2] = columns[2, :2]
  expected = styled.images_of_styles(np.repeat(mixed[None], 11, axis=0))
  np.testing.assert_array_equal(table[1, 2], expected[0])
  _, _, whole = mixing.table(styled, rows, columns, list(range(6)))
  np.testing.assert_array_equal(whole[0], of_columns)
  _, _, none = mixing.table(styled, rows, columns, [])
  np.testing.assert_array_equal(none[:, 0], of_rows)

  out = str(tmp_path / 'table.png')
  interpolate.write_mixing(styled, [7, 8], [1, 2, 4], out, layers='0-1', classes='cat', size=32)
  with Image.open(out) as file:
    assert file.size == (4 * 32, 3 * 32)
    assert file.text['Seeds of rows'] == '7-8'
    assert file.text['Layers of columns'] == '0-1'
    assert file.text['Synthetic'] == about.SYNTHETIC
    corner = np.asarray(file)[:32, :32]
  assert not corner.any()
  interpolate.write_mixing(styled, [7, 8], [1, 2, 4], out, captions=True)
  with Image.open(out) as file:
    assert file.size == (4 * 80, 3 * 98)


@pytest.mark.parametrize('text', ['6', '3-1', 'a', '0,', '-1', '0-6'])
def test_layers_that_are_not_there_are_refused(text):
  with pytest.raises(UserError, match=f'--layers={text}: .*accepted: .* from 0 to 5'):
    mixing.read_layers(text, 6)
  assert mixing.read_layers('0-2,5,1', 6) == [0, 1, 2, 5]
  assert mixing.read_layers('', 6) == [0, 1, 2]


def test_tables_need_a_w_a_layer_and_a_png(plain, styled, tmp_path):
  for model in (plain, drawn.model('gat')):
    with pytest.raises(UserError, match=f'--style_mixing: {model.name} has no w a layer'):
      interpolate.write_mixing(model, [0], [1], str(tmp_path / 'a.png'))
  with pytest.raises(UserError, match=r'accepted: FILE\.png for --style_mixing'):
    interpolate.write_mixing(styled, [0], [1], str(tmp_path / 'a.mp4'))


def test_a_place_that_cannot_be_written_is_refused(plain, styled, tmp_path):
  (tmp_path / 'file').touch()
  keys, _ = interpolate.read_keyframes(plain, [3, 4])
  for name in ('a.mp4', 'a.gif'):
    with pytest.raises(UserError, match='cannot be written: '):
      interpolate.write_walk(plain, keys, str(tmp_path / 'file' / name), Film(frames=1))
  with pytest.raises(UserError, match='cannot be written: '):
    interpolate.write_mixing(styled, [0], [1], str(tmp_path / 'file' / 'a.png'))
