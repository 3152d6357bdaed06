// An image that is dropped or chosen: projected, or opened where it carries its recipe.
import { belonging, open } from './server.js';

const $ = (id) => document.getElementById(id);

export class Project {
  // `directions` takes files of directions, which are dropped here, too.
  constructor(store, drawer, said, directions) {
    Object.assign(this, { store, drawer, said, directions });
    $('file').addEventListener('change', () => {
      const [file] = $('file').files;
      if (file) this.take(file);
      $('file').value = '';
    });
    const isFile = (event) => event.dataTransfer?.types.includes('Files');
    addEventListener('dragover', (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      $('drop').classList.add('over');
    });
    addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) $('drop').classList.remove('over');
    });
    addEventListener('drop', (event) => {
      $('drop').classList.remove('over');
      if (!isFile(event)) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file.name.endsWith('.npz')) this.directions(file);
      else this.take(file);
    });
  }

  async take(file) {
    const { model } = this.store.state;
    this.said(`finding ${file.name} among the pictures of the model …`);
    $('drop').setAttribute('aria-busy', 'true');
    try {
      const found = await open(model, file);
      if (model !== this.store.state.model) throw new Error('another model is shown by now; try again');
      if (found.recipes) this.#opened(found.recipes, file.name);
      else this.#projected(found, file.name, model);
    } catch (error) {
      this.said(error.message, true);
    } finally {
      $('drop').removeAttribute('aria-busy');
    }
  }

  // One picture with keyframes is a path; several, or one without, are pictures of the board.
  #opened(recipes, name) {
    const [first] = recipes;
    if (first.keyframes.length > 1) this.store.update({ path: first.keyframes });
    else this.#add(recipes.map((each) => each.keyframes[0]));
    this.said(`${name} carries its recipe, which is shown`);
  }

  #projected(found, name, model) {
    const all = {
      seed: 0, projection: found.projection, class: found.class, truncation: 1, directions: {},
    };
    this.#add([{ all }]);
    [$('given').src, $('found').src] = found.images;
    $('projected').hidden = false;
    $('projected-about').textContent = `${name}: ${found.text}.`;
    this.said(`${name} is projected, and the first picture of the board`);
    this.#belonging(found.projection, model);
  }

  // The images that it is ranked among are projected first, once a model: it comes later.
  async #belonging(projection, model) {
    this.shown = projection;
    const say = (text) => { if (this.shown === projection) $('belonging').textContent = text; };
    say('looking whether it lies outside what the model knows …');
    try {
      say(await belonging(model, projection));
    } catch (error) {
      say(error.message);
    }
  }

  #add(pictures) {
    const most = Number($('count').max);
    const all = [...pictures, ...this.store.state.pictures].slice(0, most);
    this.store.update({ pictures: all, selected: 0 });
  }
}
