// The first pictures from the selected one on, drawn by other checkpoints and runs: a row each.
import { caption, recipe } from './state.js';

const $ = (id) => document.getElementById(id);
const COLUMNS = 8;

export class Compare {
  #rows = new Map();

  constructor(store, drawer, models) {
    Object.assign(this, { store, drawer, models });
    models.forEach(({ title }, n) => {
      const label = document.createElement('label');
      const box = Object.assign(document.createElement('input'), { type: 'checkbox', name: 'beside', value: String(n) });
      box.addEventListener('change', () => this.#toggle(n, box.checked));
      label.append(box, ` ${title}`);
      $('compared').append(label);
    });
  }

  show(state, about) {
    for (const box of document.getElementsByName('beside')) {
      box.checked = state.beside.includes(Number(box.value));
    }
    const from = Math.max(0, Math.min(state.selected, state.pictures.length - COLUMNS));
    const pictures = state.pictures.slice(from, from + COLUMNS);
    for (const [n, row] of this.#rows) {
      if (!state.beside.includes(n)) { row.remove(); this.#rows.delete(n); }
    }
    for (const n of state.beside) this.#draw(n, pictures, state.model, about);
  }

  #toggle(n, on) {
    const others = this.store.state.beside.filter((each) => each !== n);
    this.store.update({ beside: on ? [...others, n].sort((a, b) => a - b) : others });
  }

  #draw(n, pictures, of, about) {
    const row = this.#rows.get(n) ?? this.#row(n);
    const images = row.querySelector('.row');
    this.drawer.draw(`beside ${n}`, n, pictures.map(recipe), (addresses) => {
      images.replaceChildren(...addresses.map((address, k) => Object.assign(
        document.createElement('img'),
        { src: address, alt: `${caption(pictures[k], about.classes)}, by ${this.models[n].title}` })));
      images.classList.toggle('alpha', about.alpha);
    }, of);
  }

  #row(n) {
    const row = document.createElement('div');
    const title = Object.assign(document.createElement('h3'), { textContent: this.models[n].title });
    const images = Object.assign(document.createElement('div'), { className: 'row' });
    row.append(title, images);
    this.#rows.set(n, row);
    // In the order of the list, whichever was chosen first.
    const later = [...this.#rows.keys()].filter((each) => each > n).sort((a, b) => a - b)[0];
    $('rows').insertBefore(row, this.#rows.get(later) ?? null);
    return row;
  }
}
