// What the page shows, as values that never change: undo goes back to an earlier one.
export const GROUPS = ['coarse', 'middle', 'fine'];

const source = (seed, label) => ({ seed, class: label, truncation: 1, directions: {} });

export const recipe = (picture) => ({ keyframes: [picture], at: 0 });

// A picture with each of its sources changed.
export const changed = (picture, change) =>
  Object.fromEntries(Object.entries(picture).map(([group, each]) => [group, change(each)]));

const apart = (picture) =>
  picture.all ? Object.fromEntries(GROUPS.map((group) => [group, picture.all])) : picture;

const joined = (picture) => {
  const [first, ...others] = GROUPS.map((group) => JSON.stringify(picture[group]));
  return others.every((each) => each === first) ? { all: picture.coarse } : picture;
};

// A picture that takes the styles of some groups of layers from another.
export const mixed = (picture, other, groups) => {
  const from = apart(other);
  const taken = Object.fromEntries(groups.map((group) => [group, from[group]]));
  return joined({ ...apart(picture), ...taken });
};

// A picture as a model without layers, with fewer classes or other directions can draw it.
export const fitting = (picture, about, known) => {
  const kept = about.layers.length ? picture : { all: picture.all ?? picture.coarse };
  return changed(kept, (each) => ({
    ...each,
    class: Math.min(each.class, Math.max(0, about.classes.length - 1)),
    directions: Object.fromEntries(
      Object.entries(each.directions).filter(([name]) => known.includes(name))),
  }));
};

export const seeds = (first, count, classes) => Array.from({ length: count }, (_, n) =>
  ({ all: source((first + n) % 2 ** 32, classes ? n % classes : 0) }));

const start = (each) => each.projection ? `projection ${each.projection}` : `seed ${each.seed}`;

// What a picture is, in words.
export const caption = (picture, classes) => {
  const said = (each) => {
    const parts = [start(each)];
    if (classes.length) parts.push(`class ${classes[each.class]}`);
    if (each.truncation !== 1) parts.push(`truncation ${each.truncation}`);
    for (const [name, strength] of Object.entries(each.directions)) {
      if (strength) parts.push(`${name} ${strength}`);
    }
    return parts.join(', ');
  };
  if (picture.all) return said(picture.all);
  return GROUPS.map((group) => `${group} of ${said(picture[group])}`).join('; ');
};

const MOST_STEPS = 300;
const KEPT = 'explore';

export class Store {
  #before = [];
  #gesture = '';
  #listeners = [];

  constructor(state) { this.state = state; }

  // `gesture`: steps of one movement of a slider are undone together.
  update(change, gesture = '') {
    if (!gesture || gesture !== this.#gesture) {
      this.#before.push(this.state);
      if (this.#before.length > MOST_STEPS) this.#before.shift();
    }
    this.#gesture = gesture;
    this.#set({ ...this.state, ...change });
  }

  endGesture() { this.#gesture = ''; }

  get canUndo() { return this.#before.length > 0; }

  undo() {
    if (!this.canUndo) return;
    this.endGesture();
    this.#set(this.#before.pop());
  }

  listen(listener) { this.#listeners.push(listener); }

  #set(state) {
    this.state = state;
    // Loading the page again loses nothing.
    try { sessionStorage.setItem(KEPT, JSON.stringify(state)); } catch { /* full: not kept */ }
    for (const listener of this.#listeners) listener(state);
  }
}

export const kept = () => {
  try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; }
};
