// Class, truncation and directions, of the whole board or of the selected picture.
import { changed } from './state.js';

const $ = (id) => document.getElementById(id);
const TURN = 'turn';
const STRONGEST = 4;  // standard deviations

export class Controls {
  #about = { classes: [] };

  constructor(store) {
    this.store = store;
    $('class').addEventListener('change', () => this.#class());
    this.#slider($('truncation'), (value) => (each) => ({ ...each, truncation: value }));
    $('directions-reset').addEventListener('click', () =>
      this.#change((each) => ({ ...each, directions: {} })));
    for (const scope of document.getElementsByName('scope')) {
      scope.addEventListener('change', () => this.show(this.store.state));
    }
  }

  opened(about) {
    this.#about = about;
    $('truncation-kind').textContent = `Truncation is ${about.truncation}.`;
    const options = about.classes.map((name, n) => new Option(name, String(n)));
    $('class').replaceChildren(...(options.length ? [] : [new Option('none')]), ...options);
    if (options.length) $('class').prepend(new Option('all in turn', TURN));
    $('class').disabled = !options.length;
    this.found([]);
  }

  // Directions come later than the pictures: they take longer to find.
  found(directions) {
    $('directions-none').hidden = directions.length > 0;
    $('directions-reset').hidden = !directions.length;
    $('directions').replaceChildren(...directions.flatMap((each) => this.#direction(each)));
  }

  show(state) {
    const sources = this.#places(state).map((n) => Object.values(state.pictures[n])[0]);
    const same = sources.every((each) => each.class === sources[0].class);
    if (this.#about.classes.length) $('class').value = same ? String(sources[0].class) : TURN;
    this.#put($('truncation'), sources[0].truncation);
    for (const slider of $('directions').querySelectorAll('input')) {
      this.#put(slider, sources[0].directions[slider.dataset.name] ?? 0);
    }
  }

  #places(state) {
    const selected = document.querySelector('input[name=scope]:checked').value === 'selected';
    return selected ? [state.selected] : state.pictures.map((_, n) => n);
  }

  #change(change, gesture = '') {
    const { state } = this.store;
    const places = new Set(this.#places(state));
    const pictures = state.pictures.map((picture, n) =>
      places.has(n) ? changed(picture, (each) => change(each, n)) : picture);
    this.store.update({ pictures }, gesture);
  }

  #class() {
    const chosen = $('class').value;
    const count = this.#about.classes.length;
    this.#change((each, n) => ({ ...each, class: chosen === TURN ? n % count : Number(chosen) }));
  }

  #slider(input, changeTo) {
    input.addEventListener('input', () => this.#change(changeTo(Number(input.value)), input.id));
    input.addEventListener('change', () => this.store.endGesture());
  }

  #put(input, value) {
    if (document.activeElement !== input || Number(input.value) !== value) input.value = String(value);
    const output = $(`${input.id}-value`);
    output.value = String(Number(value.toFixed(2)));
  }

  #direction({ name, share }) {
    const id = `direction-${name}`;
    const label = Object.assign(document.createElement('label'), { htmlFor: id, textContent: name });
    if (share !== null) label.title = `${(100 * share).toFixed(1)} % of what it was found by`;
    const input = Object.assign(document.createElement('input'), {
      id, type: 'range', min: String(-STRONGEST), max: String(STRONGEST), step: '0.1', value: '0',
    });
    input.dataset.name = name;
    const output = Object.assign(document.createElement('output'), { id: `${id}-value` });
    output.htmlFor = id;
    this.#slider(input, (value) => (each) => {
      const { [name]: _, ...others } = each.directions;
      return { ...each, directions: value ? { ...others, [name]: value } : others };
    });
    return [label, input, output];
  }
}
