"""Eight simulated devices, shared caches of compiled programs, small datasets, a browser."""

import collections
import contextlib
import functools
import gc
import os
import pathlib
import shutil
from importlib import metadata

# Before JAX is imported anywhere: the number of devices is fixed when the backend starts.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('JAX_NUM_CPU_DEVICES', '8')
# Programs here run a few times on a few small images: compiling them fast is what counts.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
# Nor are loops emitted in the way that makes the fastest ones, nor in parts for several threads:
# both together were three quarters of the time to compile a step. (XLA ends at a flag that it does
# not know: 0.10 knows the second of these, what came later the third.)
os.environ.setdefault(
  'XLA_FLAGS',
  '--xla_cpu_parallel_codegen_split_count=1 '
  + (
    '--xla_cpu_use_fusion_emitters=false'
    if metadata.version('jaxlib').startswith('0.10.')
    else '--xla_cpu_opt_preset=FAST_COMPILE'
  ),
)

# Nothing is asked of a hub, whose client would try for half a minute where there is no network.
os.environ.setdefault('HF_HUB_OFFLINE', '1')

# Tests run on all cores already: threads of matrix products that wait for each other cost more than
# they give.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

# Runs wait for the disk with every line of their record; memory makes nobody wait. Where there is
# enough of it, and scripts may be run there.
if os.path.isdir('/dev/shm'):
  about = os.statvfs('/dev/shm')
  if about.f_bavail * about.f_frsize > 8 << 30 and not about.f_flag & os.ST_NOEXEC:
    os.environ.setdefault('PYTEST_DEBUG_TEMPROOT', '/dev/shm')

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from configs import smoke
from gan_jax.data import by_name, source
from gan_jax.features import classifier
from gan_jax.runtime import cache, programs
from gan_jax.train import train
from gan_jax.workdir import circumstances
from tests.sampling import drawn

pytest_plugins = ['tests.costs']

# Tracing makes millions of objects that stay; to look through all of them again and again was a
# twentieth of the time of all tests. Younger ones are collected as ever.
gc.set_threshold(2_000, 10, 100)


def kept_programs(name):
  """A folder of compiled programs that stay from one session to the next: a warm start is fast."""
  folder = cache.directory('tests') / name
  folder.mkdir(mode=0o700, parents=True, exist_ok=True)
  cache.keep_newest(folder, '-cache', 20_000, 4 << 30)
  return str(folder)


@pytest.fixture(scope='session', autouse=True)
def user_folders(tmp_path_factory):
  """Keeps the user's own data and caches out of the tests; they have folders of their own."""
  patch = pytest.MonkeyPatch()
  if jax.config.jax_compilation_cache_dir is None:
    with contextlib.suppress(OSError):  # where no folder can be made, nothing is kept
      jax.config.update('jax_compilation_cache_dir', kept_programs('here'))
      # In a folder of their own: they keep the newest few of their steps, this process all.
      patch.setenv('JAX_COMPILATION_CACHE_DIR', kept_programs('processes'))
      patch.setattr(programs, '_KEPT', 600)
  cache.enable_compilation_cache()
  folder = tmp_path_factory.mktemp('home')
  patch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
  patch.setenv('TFDS_DATA_DIR', str(folder / 'data'))
  # Enough to tell digits of 16 pixels apart.
  small = classifier.RECIPE._replace(images=8_000, passes=0)
  patch.setattr(classifier, 'RECIPE', small)
  # Each run decodes the same five thousand digits.
  patch.setattr(source, 'decode_image', functools.lru_cache(10_000)(source.decode_image))
  # A hundred runs say which packages they have, which is read from files that stay.
  patch.setattr(circumstances, 'packages', functools.cache(circumstances.packages))
  yield folder
  patch.undo()


def pytest_collection_modifyitems(items):
  """Files with slow tests come first: what a worker begins last is short, and none waits long."""
  slow = collections.Counter(item.path for item in items if item.get_closest_marker('slow'))
  items.sort(key=lambda item: -slow[item.path])  # .pytest.ini keeps xdist from another order


@pytest.fixture(scope='module', autouse=True)
def programs_of_files():
  """Lets compiled programs go before they are too many: Linux lets a process map 65,530 pieces."""
  yield
  maps = pathlib.Path('/proc/self/maps')
  if not maps.exists() or maps.read_bytes().count(b'\n') > 15_000:
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope='session')
def data_dir(user_folders):
  """Where the digits are prepared, once a session."""
  return str(user_folders / 'data')


@pytest.fixture(scope='session')
def digits(data_dir):
  return by_name.open_dataset('digits', 'train', data_dir, (16, 16), 64)


@pytest.fixture(scope='session')
def held_out_digits(data_dir):
  return by_name.open_dataset('digits', 'test', data_dir, (16, 16), 64)


@pytest.fixture(scope='session')
def finished(tmp_path_factory, user_folders):
  """A run of `smoke.py` with evaluations: its workdir and its scores."""
  workdir = str(tmp_path_factory.mktemp('finished'))
  return workdir, train(smoke.get_config(), workdir)


@pytest.fixture(scope='module')
def plain():
  """A small model without a mapping, its weights drawn."""
  return drawn.model()


@pytest.fixture(scope='module')
def styled():
  """A small model with styles, its weights drawn."""
  return drawn.model('stylegan2')


@pytest.fixture
def key():
  return jax.random.key(0)


@pytest.fixture
def browser(tmp_path):
  """Chromium, which asks nobody for anything by itself; it logs what pages do."""
  chromium, chromedriver = shutil.which('chromium'), shutil.which('chromedriver')
  if not chromium or not chromedriver:
    say = pytest.fail if os.environ.get('GAN_JAX_NEEDS_BROWSER') else pytest.skip
    say('takes chromium and chromedriver (Debian: chromium, chromium-driver)')
  from selenium import webdriver
  from selenium.webdriver.chrome.service import Service

  options = webdriver.ChromeOptions()
  for argument in (
    *('headless=new', 'no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run'),
    *('disable-background-networking', 'disable-component-update', 'disable-sync'),
    f'user-data-dir={tmp_path / "profile"}',
  ):
    options.add_argument(f'--{argument}')
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
  driver = webdriver.Chrome(options=options, service=Service(chromedriver))
  driver.set_window_size(1280, 1600)
  yield driver
  driver.quit()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
  """JAX's cache of compiled programs where it is by default, in a home of its own."""
  before = jax.config.jax_compilation_cache_dir
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  jax.config.update('jax_compilation_cache_dir', None)
  yield tmp_path / 'gan_jax' / 'xla'
  jax.config.update('jax_compilation_cache_dir', before)
  compilation_cache.reset_cache()
