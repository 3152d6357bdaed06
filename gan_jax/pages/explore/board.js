// The board: one tile a picture; chosen by keyboard or pointer, dragged onto another to be mixed.
import { caption } from './state.js';

const KIND = 'application/x-explore-picture';

export class Board {
  #tiles = [];
  #focus = 0;

  constructor(root, { chosen, mixed }) {
    this.root = root;
    this.chosen = chosen;  // called with the place of a tile
    this.mixed = mixed;  // called with the place of a tile and of the one dropped on it
    root.addEventListener('keydown', (event) => this.#key(event));
  }

  show(state, about) {
    this.root.classList.toggle('large', about.width > 64);
    this.root.classList.toggle('alpha', about.alpha);
    while (this.#tiles.length > state.pictures.length) this.#tiles.pop().remove();
    while (this.#tiles.length < state.pictures.length) this.#add();
    this.#focus = Math.min(this.#focus, this.#tiles.length - 1);
    this.#tiles.forEach((tile, n) => {
      const said = caption(state.pictures[n], about.classes);
      tile.setAttribute('aria-selected', String(n === state.selected));
      tile.setAttribute('aria-label', said);
      tile.title = said;
      tile.tabIndex = n === this.#focus ? 0 : -1;
    });
  }

  images(addresses) {
    addresses.forEach((address, n) => {
      const tile = this.#tiles[n];
      if (tile) tile.firstChild.src = address;
    });
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1);
  }

  focus() { this.#tiles[this.#focus]?.focus(); }

  #add() {
    const n = this.#tiles.length;
    const tile = document.createElement('div');
    tile.className = 'tile';
    tile.setAttribute('role', 'option');
    tile.draggable = true;
    const image = document.createElement('img');
    image.alt = '';
    image.draggable = false;
    tile.append(image);
    tile.addEventListener('click', () => { this.#at(n); this.chosen(n); });
    tile.addEventListener('dragstart', (event) => {
      event.dataTransfer.setData(KIND, String(n));
      event.dataTransfer.effectAllowed = 'copy';
    });
    tile.addEventListener('dragover', (event) => {
      if (!event.dataTransfer.types.includes(KIND)) return;
      event.preventDefault();
      tile.classList.add('over');
    });
    tile.addEventListener('dragleave', () => tile.classList.remove('over'));
    tile.addEventListener('drop', (event) => {
      tile.classList.remove('over');
      const from = event.dataTransfer.getData(KIND);
      if (from === '') return;
      event.preventDefault();
      if (Number(from) !== n) this.mixed(n, Number(from));
    });
    this.#tiles.push(tile);
    this.root.append(tile);
  }

  #at(n) {
    this.#tiles[this.#focus].tabIndex = -1;
    this.#focus = Math.min(this.#tiles.length - 1, Math.max(0, n));
    this.#tiles[this.#focus].tabIndex = 0;
    this.focus();
  }

  get #columns() {
    const top = this.#tiles[0].offsetTop;
    const below = this.#tiles.findIndex((tile) => tile.offsetTop > top);
    return below < 0 ? this.#tiles.length : below;
  }

  #key(event) {
    const { key } = event;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns };
    if (key in steps) {
      const next = this.#focus + steps[key];
      if (this.#tiles[next]) this.#at(next);
    } else if (key === 'Home') this.#at(0);
    else if (key === 'End') this.#at(this.#tiles.length - 1);
    else if (key === 'Enter' || key === ' ') this.chosen(this.#focus);
    else return;
    event.preventDefault();
  }
}
