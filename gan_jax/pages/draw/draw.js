// Puts the page together: a board of seeds, a picture that is selected, the way between two seeds.
const $ = (id) => document.getElementById(id);
const about = JSON.parse($('about-model').textContent);
const MOST_SEED = 2 ** 32;
const state = { first: 0, count: about.count, selected: 0, label: null, truncation: 1 };

const say = (words, bad = false) => {
  $('status').textContent = words;
  $('status').classList.toggle('bad', bad);
};
const whole = (input, least, most) =>
  Math.min(most, Math.max(least, Math.round(Number(input.value)) || least));

const named = (label) => about.classes[label];
const labelOf = (n) => (about.classes.length ? state.label ?? n % about.classes.length : 0);
const truncated = (truncation) => (truncation === 1 ? '1' : `${truncation} ${about.truncation}`);

// A picture is what it is drawn from: one seed, or two and the share of the way; class; truncation.
const pictures = () => Array.from({ length: state.count }, (_, n) => ({
  seed: (state.first + n) % MOST_SEED, label: labelOf(n), truncation: state.truncation,
}));
const onTheWay = () => ({
  seed: whole($('from'), 0, MOST_SEED - 1), to: whole($('to'), 0, MOST_SEED - 1),
  at: Number($('at').value), label: Number($('way-class').value || 0), truncation: state.truncation,
});
const seedOf = ({ seed, to, at }) => (to === undefined ? `${seed}` : `${seed} to ${to}, at ${at}`);
const caption = (picture) => [
  `seed ${seedOf(picture)}`,
  ...(about.classes.length ? [`class ${named(picture.label)}`] : []),
  ...(picture.truncation === 1 ? [] : [`truncation ${picture.truncation}`]),
].join(', ');

// What a file says of its picture, by the names that those of gan_jax have.
const texts = (recipe) => {
  const all = { ...about.recipe, ...recipe };
  const said = Object.entries(all).map(([name, value]) => `${name} ${value}`).join(', ');
  return {
    Software: 'gan_jax',
    Description: `Synthetic image made by a trained generator: ${said}`,
    Synthetic: about.synthetic, ...all, ...about.remarks, 'XML:com.adobe.xmp': about.xmp,
  };
};
const recipe = (picture) => ({
  Seed: seedOf(picture), Index: '0',
  ...(about.classes.length ? { Class: named(picture.label) } : {}),
  Truncation: truncated(picture.truncation),
});

const latentOf = ({ seed, to, at }) => {
  const start = latent(seed, about.latent);
  return to === undefined ? start : between(start, latent(to, about.latent), at);
};
// Pixels and file of each picture; they have the same truncation.
const drawn = async (network, wanted) => {
  const all = await network.draw(
    wanted.map(latentOf), wanted.map(({ label }) => label), wanted[0].truncation);
  return Promise.all(all.map(async (pixels, n) =>
    ({ pixels, file: await png(pixels, about, texts(recipe(wanted[n]))) })));
};

// Of what is asked for while it draws, the newest is drawn next; `draw` asks whether to go on.
const newest = (draw) => {
  let asked = 0;
  let working = Promise.resolve();
  return () => {
    const mine = asked += 1;
    const current = () => mine === asked;
    working = working.then(() => (current() ? draw(current) : null)).catch(failed);
    return working;
  };
};
const failed = (error) => say(`It could not be drawn: ${error.message}`, true);

const show = (image, file, words) => {
  const before = image.src;
  image.src = URL.createObjectURL(file);
  image.alt = words;
  if (before.startsWith('blob:')) URL.revokeObjectURL(before);
};
const fileName = (words) => `synthetic ${about.name} ${words}`.normalize()
  .replace(/[^\p{L}\p{N}.]+/gu, '_').slice(0, 90);
const save = (file, words) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = `${fileName(words)}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const start = async () => {
  const network = await Network.open();
  const tiles = [];  // { element, key, pixels, file } in the order of the board
  let focused = 0;
  let way = null;

  const focus = (n) => {
    focused = Math.min(tiles.length - 1, Math.max(0, n));
    tiles.forEach(({ element }, place) => { element.tabIndex = place === focused ? 0 : -1; });
  };
  const select = (n) => {
    state.selected = n;
    tiles.forEach(({ element }, place) =>
      element.setAttribute('aria-selected', String(place === n)));
    const { file, picture } = tiles[n];
    $('save').disabled = !file;
    if (!file) return;
    show($('selected'), file, caption(picture));
    $('selected-about').textContent = caption(picture);
  };
  const add = () => {
    const element = document.createElement('div');
    const image = document.createElement('img');
    const tile = { element, image, key: '', file: null };
    element.className = 'tile';
    element.setAttribute('role', 'option');
    image.alt = '';
    element.append(image);
    element.addEventListener('click', () => {
      const n = tiles.indexOf(tile);
      focus(n);
      element.focus();
      select(n);
    });
    tiles.push(tile);
    $('board').append(element);
  };
  const board = newest(async (current) => {
    const wanted = pictures();
    while (tiles.length > wanted.length) tiles.pop().element.remove();
    while (tiles.length < wanted.length) add();
    focus(focused);
    state.selected = Math.min(state.selected, tiles.length - 1);
    wanted.forEach((picture, n) => {
      const key = JSON.stringify(picture);
      if (tiles[n].key === key) return;
      Object.assign(tiles[n], { key, picture, file: null });
      tiles[n].element.setAttribute('aria-label', caption(picture));
      tiles[n].element.title = caption(picture);
      tiles[n].element.setAttribute('aria-busy', 'true');
    });
    select(state.selected);
    const missing = tiles.filter(({ file }) => !file);
    while (missing.length) {
      const some = missing.splice(0, network.atOnce);
      const found = await drawn(network, some.map(({ picture }) => picture));
      some.forEach((tile, n) => {
        Object.assign(tile, found[n]);
        show(tile.image, tile.file, '');
        tile.element.removeAttribute('aria-busy');
      });
      if (some.includes(tiles[state.selected])) select(state.selected);
      if (!current()) return;
      if (missing.length) say(`${tiles.length - missing.length} of ${tiles.length} pictures`);
    }
    say(`${tiles.length} ${tiles.length === 1 ? 'picture' : 'pictures'} drawn`);
    $('board').dataset.drawn = JSON.stringify(wanted);
  });
  const path = newest(async () => {
    const picture = onTheWay();
    const [found] = await drawn(network, [picture]);
    way = { picture, ...found };
    show($('way'), way.file, caption(picture));
    $('way').dataset.drawn = JSON.stringify(picture);
    $('save-way').disabled = false;
  });

  const seeds = () => {
    Object.assign(state, {
      first: whole($('seed'), 0, MOST_SEED - 1), count: whole($('count'), 1, Number($('count').max)),
    });
    $('seed').value = String(state.first);
    $('count').value = String(state.count);
    board();
  };
  for (const id of ['seed', 'count']) $(id).addEventListener('change', seeds);
  $('new-seeds').addEventListener('click', () => {
    $('seed').value = String((state.first + state.count) % MOST_SEED);
    seeds();
  });
  $('class').addEventListener('change', () => {
    state.label = $('class').value === '' ? null : Number($('class').value);
    board();
  });
  $('truncation').addEventListener('input', () => {
    state.truncation = Number($('truncation').value);
    $('truncation-value').value = $('truncation').value;
    board();
    path();
  });
  for (const id of ['from', 'to']) {
    $(id).addEventListener('change', () => {
      $(id).value = String(whole($(id), 0, MOST_SEED - 1));
      path();
    });
  }
  $('way-class').addEventListener('change', path);
  $('at').addEventListener('input', () => { $('at-value').value = $('at').value; path(); });
  for (const id of ['from', 'to']) {
    $(`as-${id}`).addEventListener('click', () => {
      const { seed, label } = tiles[state.selected].picture;
      $(id).value = String(seed);
      if (about.classes.length) $('way-class').value = String(label);
      path();
    });
  }
  $('save').addEventListener('click', () => {
    const { file, picture } = tiles[state.selected];
    save(file, caption(picture));
  });
  $('save-way').addEventListener('click', () => save(way.file, caption(way.picture)));
  $('save-board').addEventListener('click', async () => {
    if (tiles.some(({ file }) => !file)) await board();
    if (tiles.some(({ file }) => !file)) return;  // it was said why
    const [pixels, size] =
      gridOf(tiles.map((tile) => tile.pixels), Math.ceil(Math.sqrt(tiles.length)), about);
    const seen = tiles.map(({ picture }) => picture);
    const classes = [...new Set(seen.map(({ label }) => named(label)))].join(', ');
    const last = seen.at(-1).seed;
    const file = await png(pixels, size, texts({
      Seeds: `${seen[0].seed} to ${last}`, Images: String(seen.length),
      ...(about.classes.length ? { Classes: classes } : {}), Truncation: truncated(state.truncation),
    }));
    save(file, `board of seeds ${seen[0].seed} to ${last}`);
  });
  $('board').addEventListener('keydown', (event) => {
    const top = tiles[0].element.offsetTop;
    const below = tiles.findIndex(({ element }) => element.offsetTop > top);
    const columns = below < 0 ? tiles.length : below;
    const to = {
      ArrowLeft: focused - 1, ArrowRight: focused + 1, ArrowUp: focused - columns,
      ArrowDown: focused + columns, Home: 0, End: tiles.length - 1,
    }[event.key];
    if (event.key === 'Enter' || event.key === ' ') select(focused);
    else if (to === undefined) return;
    else if (tiles[to]) { focus(to); tiles[to].element.focus(); }
    event.preventDefault();
  });

  const options = () => about.classes.map((name, n) => new Option(name, String(n)));
  $('class').append(...options());
  $('way-class').append(...options());
  for (const each of document.querySelectorAll('.of-classes')) each.hidden = !about.classes.length;
  $('board').classList.toggle('large', about.width > 64);
  document.body.style.setProperty('--ratio', String(about.width / about.height));
  document.querySelector('main').classList.toggle('alpha', about.channels === 4);
  for (const each of document.querySelectorAll('.drawing')) each.hidden = false;
  board();
  path();
};

start().catch((error) => {
  say(error.message, true);
  document.querySelector('main').classList.add('still');
});
