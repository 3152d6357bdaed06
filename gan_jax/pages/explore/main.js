// Puts the page together: one state, shown by each part whenever it changes.
import { Board } from './board.js';
import { Compare } from './compare.js';
import { Controls } from './controls.js';
import { Path } from './path.js';
import { Project } from './project.js';
import {
  Drawer, about as aboutModel, directions as directionsOf, load, models as allModels, save,
} from './server.js';
import { GROUPS, Store, caption, fitting, kept, mixed, recipe, seeds } from './state.js';

const $ = (id) => document.getElementById(id);
history.replaceState(null, '', '/');  // the token in it is used up

let trouble = false;
const say = (text, bad = false) => {
  trouble = bad;
  $('status').textContent = text;
  $('status').classList.toggle('bad', bad);
};
const failed = (error) => say(error.message, true);
// What is drawn clears what was wrong, and nothing else that is said.
const drawn = (error) => { if (error) failed(error); else if (trouble) say(''); };

const start = async () => {
  const models = await allModels();
  const before = kept();
  const model = before && before.model < models.length ? before.model : 0;
  const abouts = new Map([[model, await aboutModel(model)]]);
  const about = () => abouts.get(store.state.model);
  const first = seeds(0, Number($('count').value), abouts.get(model).classes.length);
  const fresh = { model, pictures: first, selected: 0, path: [], loop: false, beside: [], first: 0 };
  const store = new Store({ ...fresh, ...before, model });
  const drawer = new Drawer(drawn);
  const controls = new Controls(store);
  const path = new Path(store, drawer, failed);
  const compare = new Compare(store, drawer, models);
  const found = new Map();  // directions of models
  let opened = -1;
  let taking = false;

  const take = (on) => {
    taking = on;
    $('board').classList.toggle('taking', on);
    $('take').setAttribute('aria-pressed', String(on));
    say(on ? 'Take styles from which picture? Arrow keys and Enter, or a click; Escape: none.' : '');
  };

  const mix = (onto, from) => {
    const groups = GROUPS.filter((group) =>
      document.querySelector(`input[name=layer][value=${group}]`).checked);
    if (!about().layers.length) { say($('layers-none').textContent, true); return; }
    if (!groups.length) { say('choose coarse, middle or fine styles', true); return; }
    const pictures = [...store.state.pictures];
    pictures[onto] = mixed(pictures[onto], pictures[from], groups);
    store.update({ pictures, selected: onto });
    say(`${groups.join(', ')} styles taken`);
  };

  const board = new Board($('board'), {
    mixed: mix,
    chosen: (n) => {
      if (!taking) { store.update({ selected: n }); return; }
      take(false);
      if (n !== store.state.selected) mix(store.state.selected, n);
    },
  });

  const showOne = (state, image) => {
    const said = caption(state.pictures[state.selected], about().classes);
    $('selected-about').textContent = said;
    Object.assign($('selected'), { src: image, alt: said });
    $('selected').classList.toggle('alpha', about().alpha);
    $('selected').classList.toggle('shown', about().alpha);
  };

  const directions = async (n) => {
    if (!found.has(n)) found.set(n, directionsOf(n));
    return found.get(n);
  };

  const showDirections = async (n) => {
    const its = await directions(n);
    if (store.state.model !== n) return;
    controls.found(its);
    controls.show(store.state);
  };

  const loadDirections = async (file) => {
    const { model: n } = store.state;
    say(`loading ${file.name} …`);
    try {
      const names = await load(n, file);
      found.delete(n);
      await showDirections(n);
      say(`${names.length} directions of ${file.name}: sliders below those that were found`);
    } catch (error) { failed(error); }
  };
  new Project(store, drawer, say, loadDirections);
  $('directions-file').addEventListener('change', () => {
    const [file] = $('directions-file').files;
    if (file) loadDirections(file);
    $('directions-file').value = '';
  });

  const show = (state) => {
    if (opened !== state.model) {
      opened = state.model;
      controls.opened(about());
      showDirections(opened).catch(failed);
      $('about').textContent = about().about;
      $('layers').hidden = $('drag-help').hidden = !about().layers.length;
      $('layers-none').hidden = about().layers.length > 0;
    }
    $('model').value = String(state.model);
    $('count').value = String(state.pictures.length);
    $('seed').value = String(state.first);
    $('undo').disabled = !store.canUndo;
    controls.show(state);
    board.show(state, about());
    drawer.draw('board', state.model, state.pictures.map(recipe), (images) => {
      board.images(images);
      showOne(state, images[state.selected]);
    });
    path.show(state, about());
    compare.show(state, about());
  };

  const reseed = (from, count) => store.update({
    pictures: seeds(from, count, about().classes.length),
    selected: Math.min(store.state.selected, count - 1), first: from,
  });
  const whole = (input, least, most) =>
    Math.min(most, Math.max(least, Math.round(Number(input.value)) || least));
  $('seed').addEventListener('change', () =>
    reseed(whole($('seed'), 0, 2 ** 32 - 1), store.state.pictures.length));
  $('new-seeds').addEventListener('click', () =>
    reseed((store.state.first + store.state.pictures.length) % 2 ** 32, store.state.pictures.length));
  $('count').addEventListener('change', () => {
    const count = whole($('count'), 1, Number($('count').max));
    const { pictures, first: from, selected } = store.state;
    const more = seeds(from, count, about().classes.length).slice(pictures.length);
    store.update({
      pictures: [...pictures.slice(0, count), ...more], selected: Math.min(selected, count - 1),
    });
  });
  $('model').append(...models.map(({ title }, n) => new Option(title, String(n))));
  $('model').addEventListener('change', async () => {
    const chosen = Number($('model').value);
    say('opening the model …');
    let known = [];
    try {
      if (!abouts.has(chosen)) abouts.set(chosen, await aboutModel(chosen));
      known = (await directions(chosen)).map((each) => each.name);
    } catch (error) { failed(error); $('model').value = String(store.state.model); return; }
    say('');
    const fit = (picture) => fitting(picture, abouts.get(chosen), known);
    const { pictures, path: frames } = store.state;
    store.update({ model: chosen, pictures: pictures.map(fit), path: frames.map(fit) });
  });
  $('undo').addEventListener('click', () => store.undo());
  $('take').addEventListener('click', () => { take(!taking); if (taking) board.focus(); });
  $('to-path').addEventListener('click', () => {
    const { path: frames, pictures, selected } = store.state;
    if (frames.length > 60) { say('a path has at most 61 keyframes', true); return; }
    store.update({ path: [...frames, pictures[selected]] });
  });
  const saved = (recipes, name) => save(store.state.model, recipes, name).catch(failed);
  $('save').addEventListener('click', () => {
    const picture = store.state.pictures[store.state.selected];
    const name = caption(picture, about().classes).replace(/[^\p{L}\p{N}]+/gu, '_').slice(0, 60);
    saved([recipe(picture)], `${name}.png`);
  });
  $('save-board').addEventListener('click', () =>
    saved(store.state.pictures.map(recipe), 'board.png'));
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && taking) take(false);
    const typing = event.target.matches?.('input[type=number]');
    if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !typing) {
      event.preventDefault();
      store.undo();
    }
  });
  store.listen(show);
  show(store.state);
  say('');
};

start().catch(failed);
