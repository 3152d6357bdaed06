'use strict';
// Theme: that of the system until somebody chooses; a table sorts by the button in its heading.
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const set = (theme) => { root.dataset.theme = theme; };
  set(dark.matches ? 'dark' : 'light');
  dark.addEventListener('change', () => set(dark.matches ? 'dark' : 'light'));
  // On paper it is light.
  let before = 'light';
  addEventListener('beforeprint', () => { before = root.dataset.theme; set('light'); });
  addEventListener('afterprint', () => set(before));
  const button = document.getElementById('theme');
  button?.addEventListener('click', () => set(root.dataset.theme === 'dark' ? 'light' : 'dark'));

  const value = (row, column) => {
    const cell = row.cells[column];
    const number = cell.dataset.value;
    return number === undefined ? cell.textContent.trim() : number === '' ? NaN : Number(number);
  };
  const order = (a, b) => {
    if (typeof a === 'string') return a.localeCompare(b);
    // What has no number goes last, whichever way.
    return Number.isNaN(a) - Number.isNaN(b) || a - b;
  };
  for (const table of document.querySelectorAll('table.sortable')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector('button')?.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      heads.forEach((each) => each.setAttribute('aria-sort', 'none'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const [a, b] = [value(one, column), value(other, column)];
        const missing = Number.isNaN(a) || Number.isNaN(b);
        return down && !missing ? order(b, a) : order(a, b);
      });
      table.tBodies[0].append(...rows);
    }));
  }
})();
