// Talks to the server; pictures that were drawn once are not asked for again.
const refused = async (answer) => {
  const text = await answer.text();
  let said = text;
  try { said = JSON.parse(text).error; } catch { /* plain text */ }
  throw new Error(said);
};

export const ask = async (path, options = {}) => {
  const answer = await fetch(path, options).catch(() => {
    throw new Error('the server is gone; start the command again');
  });
  if (!answer.ok) await refused(answer);
  return answer;
};

const post = (path, value) => ask(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value),
});

export const models = async () => (await ask('/api/models')).json();

export const about = async (model) => (await ask(`/api/model/${model}`)).json();

export const directions = async (model) => (await ask(`/api/directions/${model}`)).json();

const upload = (path, file) => ask(`${path}?name=${encodeURIComponent(file.name)}`,
  { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: file });

// A file: the recipes in it, or what it was projected to.
export const open = async (model, file) =>
  (await upload(`/api/open/${model}`, file)).json();

// Whether a projected image lies outside what the model knows, in words.
export const belonging = async (model, projection) =>
  (await (await ask(`/api/belonging/${model}/${projection}`)).json()).text;

// Directions out of a file; their names.
export const load = async (model, file) =>
  (await (await upload(`/api/directions/${model}`, file)).json()).names;

export const save = async (model, recipes, name) => {
  const file = await (await post('/api/save', { model, recipes })).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const MOST_KEPT = 64_000_000;  // characters of addresses

export class Drawer {
  #places = new Map();
  #kept = new Map();
  #size = 0;
  #report;

  // `report` is told of what went wrong, and with null of what went well.
  constructor(report) { this.#report = report; }

  // Draws for a place of the page. Of what is asked while it draws, the newest is drawn next.
  // `of`: the model whose directions are meant.
  draw(place, model, recipes, show, of = model) {
    const here = this.#places.get(place) ?? { busy: false, next: null };
    this.#places.set(place, here);
    here.next = { model, of, recipes, show };
    if (!here.busy) this.#run(here);
  }

  async #run(here) {
    here.busy = true;
    while (here.next) {
      const { show, ...asked } = here.next;
      here.next = null;
      try {
        show(await this.#images(asked));
        this.#report(null);
      } catch (error) {
        this.#report(error);
      }
    }
    here.busy = false;
  }

  async #images({ model, of, recipes }) {
    const keys = recipes.map((each) => `${model} ${of} ${JSON.stringify(each)}`);
    const missing = new Map();
    keys.forEach((key, n) => { if (!this.#kept.has(key)) missing.set(key, recipes[n]); });
    const drawn = new Map();
    if (missing.size) {
      const answer = await post('/api/draw',
        { model, directions_of: of, recipes: [...missing.values()] });
      const { images } = await answer.json();
      [...missing.keys()].forEach((key, n) => drawn.set(key, images[n]));
    }
    const found = keys.map((key) => drawn.get(key) ?? this.#kept.get(key));
    drawn.forEach((image, key) => this.#keep(key, image));
    return found;
  }

  #keep(key, image) {
    this.#kept.set(key, image);
    this.#size += image.length;
    for (const [oldest, its] of this.#kept) {
      if (this.#size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
      this.#size -= its.length;
    }
  }
}
