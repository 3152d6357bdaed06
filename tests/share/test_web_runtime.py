"""What is read of the package onnxruntime-web, and what is refused."""

import io
import json
import tarfile

import pytest

from gan_jax import export
from gan_jax.errors import UserError
from gan_jax.share import web_runtime

ABOUT = {'name': 'onnxruntime-web', 'version': '1.30.0', 'license': 'MIT'}
FILES = {
  'package.json': json.dumps(ABOUT).encode(),
  'dist/ort.wasm.min.js': b'var ort = {};',
  'dist/ort-wasm-simd-threaded.mjs': b'export default 0;',
  'dist/ort-wasm-simd-threaded.wasm': b'\0asm',
}


def about(**changes):
  return FILES | {'package.json': json.dumps(ABOUT | changes).encode()}


def archive(path, files, mode='w:gz', within='package/'):
  with tarfile.open(path, mode) as tar:
    for name, data in files.items():
      info = tarfile.TarInfo(within + name)
      info.size = len(data)
      tar.addfile(info, io.BytesIO(data))
  return str(path)


def folder(path, files):
  for name, data in files.items():
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data)
  return str(path)


def refused(path, reason):
  with pytest.raises(UserError, match=reason) as found:
    web_runtime.read(path)
  assert '\n' not in str(found.value)


def test_archive_and_folder_give_the_same(tmp_path):
  others = {'README.md': b'', 'dist/ort.min.js': b'other'}
  read = web_runtime.read(archive(tmp_path / 'a.tgz', others | FILES))
  assert read == ('1.30.0', *list(FILES.values())[1:])
  assert web_runtime.read(folder(tmp_path / 'b', FILES)) == read
  assert web_runtime.read(folder(tmp_path / 'c' / 'package', FILES)) == read
  assert web_runtime.read(str(tmp_path / 'c')) == read, 'as tar unpacks it'


@pytest.mark.parametrize(
  ('changes', 'reason'),
  [
    ({'name': 'onnxruntime-node'}, "is the package 'onnxruntime-node'; accepted: onnxruntime-web"),
    ({'version': '1.25.0'}, "version '1.25.0'; accepted: from 1.25.1, below 2.0.0"),
    ({'version': '2.0.0'}, 'accepted: from 1.25.1, below 2.0.0'),
    ({'version': '1.30.0-dev.1'}, 'accepted: from 1.25.1, below 2.0.0'),
    ({'version': 130}, 'accepted: from 1.25.1, below 2.0.0'),
    ({'license': 'GPL-3.0'}, "its licence is 'GPL-3.0'; accepted: MIT"),
  ],
)
def test_other_packages_versions_and_licences_are_refused(tmp_path, changes, reason):
  refused(archive(tmp_path / 'a.tgz', about(**changes)), reason)


@pytest.mark.parametrize('text', [b'[]', b'{', b'\xff', b'[' * 100_000])
def test_a_package_that_does_not_say_what_it_is_is_refused(tmp_path, text):
  refused(archive(tmp_path / 'a.tgz', FILES | {'package.json': text}), "is the package 'None'")


def test_what_is_missing_too_large_or_empty_is_named(tmp_path, monkeypatch):
  for n, name in enumerate(FILES):
    rest = {key: value for key, value in FILES.items() if key != name}
    refused(archive(tmp_path / f'{n}.tgz', rest), f'has no package/{name}; accepted: what `npm')
    refused(folder(tmp_path / f'{n}', rest), f'has no {name}')
  for data in (b'', bytes(2**21 + 1)):
    files = FILES | {'dist/ort-wasm-simd-threaded.mjs': data}
    reason = rf'threaded\.mjs has {len(data):,} bytes; accepted: 1 to 2,097,152'
    refused(archive(tmp_path / 'size.tgz', files), reason)
    refused(folder(tmp_path / f'size{len(data)}', files), reason)
  # Of a bomb no more is expanded than its headers say up to the bound.
  monkeypatch.setattr(web_runtime, '_MOST_EXPANDED', 2**16)
  refused(archive(tmp_path / 'bomb.tgz', {'a': bytes(2**17)} | FILES), 'holds more than')
  monkeypatch.setattr(web_runtime, '_MOST_MEMBERS', 3)
  refused(archive(tmp_path / 'many.tgz', FILES), 'holds more than 3 files')


def test_names_that_lead_elsewhere_and_links_are_not_followed(tmp_path):
  (tmp_path / 'secret').write_text('var ort;')
  for within in ('../package/', '/package/', 'package/../package/', 'other/'):
    refused(archive(tmp_path / 'a.tgz', FILES, within=within), 'has no package/package.json')
  for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
    with tarfile.open(tmp_path / 'link.tar', 'w') as tar:
      info = tarfile.TarInfo('package/dist/ort.wasm.min.js')
      info.type, info.linkname = kind, str(tmp_path / 'secret')
      tar.addfile(info)
    refused(str(tmp_path / 'link.tar'), 'is no plain file, or there twice')
  archive(tmp_path / 'twice.tar', FILES, 'w')
  archive(tmp_path / 'twice.tar', FILES, 'a')
  refused(str(tmp_path / 'twice.tar'), 'package.json in it is no plain file, or there twice')


def test_damaged_archives_and_other_files_are_refused(tmp_path):
  whole = (tmp_path / 'a.tgz', archive(tmp_path / 'a.tgz', FILES | {'x': bytes(range(256)) * 99}))[
    0
  ]
  data = whole.read_bytes()
  for content in (b'', b'PK\3\4', data[: len(data) // 2], b'\x1f\x8b' + bytes(99)):
    whole.write_bytes(content)
    refused(str(whole), r'cannot be read \(no whole tar archive\)|has no package')
  refused(str(tmp_path / 'nowhere.tgz'), 'there is nothing there; `npm pack onnxruntime-web@1')


def test_a_file_that_the_system_does_not_give_is_refused_with_its_reason(tmp_path, monkeypatch):
  def denied(path):
    raise PermissionError(13, 'Permission denied')

  path = archive(tmp_path / 'a.tgz', FILES)
  monkeypatch.setattr(web_runtime.beginnings, 'open_tar', denied)
  refused(path, r'cannot be read \(Permission denied\); accepted')


def test_without_it_a_line_says_what_to_run_before_anything_is_done(tmp_path):
  out = tmp_path / 'out'
  with pytest.raises(UserError, match=r'--page: .*run `npm pack onnxruntime-web@1\.30\.0`'):
    export.export(str(tmp_path / 'no run'), str(out), page=True)
  with pytest.raises(UserError, match=r'--runtime=a\.tgz: is for a page; add --page'):
    export.export(str(tmp_path / 'no run'), str(out), runtime='a.tgz')
  assert list(tmp_path.iterdir()) == []
