// Keyframes from the board, a slider that goes through what is between them, and play.
import { caption } from './state.js';
import { save } from './server.js';

const $ = (id) => document.getElementById(id);
const STEP = 0.02;
const SECONDS = 1.5;  // from a keyframe to the next

export class Path {
  #at = 0;
  #playing = 0;
  #shown = '';

  constructor(store, drawer, failed) {
    Object.assign(this, { store, drawer });
    $('at').addEventListener('input', () => { this.#stop(); this.#move(Number($('at').value)); });
    $('play').addEventListener('click', () => this.#playing ? this.#stop() : this.#play());
    $('loop').addEventListener('change', () =>
      this.store.update({ loop: $('loop').checked }));
    $('path-clear').addEventListener('click', () => this.store.update({ path: [] }));
    $('save-frame').addEventListener('click', () =>
      save(this.store.state.model, [this.recipe], 'frame.png').catch(failed));
  }

  get frames() {
    const { path, loop } = this.store.state;
    return loop && path.length > 1 ? [...path, path[0]] : path;
  }

  get recipe() { return { keyframes: this.frames, at: this.#at }; }

  show(state, about) {
    const key = JSON.stringify([state.model, state.path, state.loop]);
    if (key === this.#shown) return;
    this.#shown = key;
    $('path-none').hidden = state.path.length > 1;
    $('path-part').hidden = state.path.length < 2;
    $('path-picture').classList.toggle('alpha', about.alpha);
    $('path-picture').classList.toggle('shown', about.alpha);
    $('loop').checked = state.loop;
    this.#list(state, about);
    const last = Math.max(1, this.frames.length - 1);
    $('at').max = String(last);
    if (state.path.length < 2) this.#stop();
    else this.#move(Math.min(this.#at, last));
  }

  #list(state, about) {
    const items = state.path.map((picture, n) => {
      const said = caption(picture, about.classes);
      const item = document.createElement('li');
      const image = Object.assign(document.createElement('img'), { alt: said, title: said });
      const button = Object.assign(document.createElement('button'), { type: 'button' });
      button.textContent = '×';
      button.setAttribute('aria-label', `Take keyframe ${n + 1} out: ${said}`);
      button.addEventListener('click', () => this.#takeOut(n));
      item.append(image, button);
      return item;
    });
    $('keyframes').replaceChildren(...items);
    if (!state.path.length) return;
    const recipes = state.path.map((picture) => ({ keyframes: [picture], at: 0 }));
    this.drawer.draw('keyframes', state.model, recipes, (images) =>
      images.forEach((image, n) => { if (items[n]) items[n].firstChild.src = image; }));
  }

  #takeOut(place) {
    this.store.update({ path: this.store.state.path.filter((_, n) => n !== place) });
    const buttons = $('keyframes').querySelectorAll('button');
    (buttons[Math.min(place, buttons.length - 1)] ?? $('to-path')).focus();
  }

  #move(at) {
    this.#at = Number(at.toFixed(2));
    $('at').value = String(this.#at);
    $('at-value').value = this.#at.toFixed(2);
    this.drawer.draw('path', this.store.state.model, [this.recipe], ([image]) => {
      $('path-picture').src = image;
      $('path-picture').alt = `the path at ${this.#at}`;
      $('path-picture').dataset.at = String(this.#at);
    });
  }

  #play() {
    $('play').setAttribute('aria-pressed', 'true');
    const last = this.frames.length - 1;
    const from = this.#at >= last ? 0 : this.#at;
    let began = null;
    const step = (now) => {
      began ??= now;
      const at = from + (now - began) / 1000 / SECONDS;
      const { loop } = this.store.state;
      const place = loop ? at % last : Math.min(at, last);
      const rounded = Math.round(place / STEP) * STEP;
      if (Math.abs(rounded - this.#at) >= STEP / 2) this.#move(Math.min(rounded, last));
      if (!loop && at >= last) this.#stop();
      else this.#playing = requestAnimationFrame(step);
    };
    this.#playing = requestAnimationFrame(step);
  }

  #stop() {
    cancelAnimationFrame(this.#playing);
    this.#playing = 0;
    $('play').setAttribute('aria-pressed', 'false');
  }
}
