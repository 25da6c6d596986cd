// The list beside the photos: of which years, cameras and folders they are,
// and the albums. Each is a link that adds a filter to the query.
import * as api from './api.js';
import { element } from './dom.js';
import { clauses, field, named, withFilter } from './query.js';
import { month, number } from './text.js';

const usual = 8; // values of a kind that are shown at first
const rest = 250; // milliseconds after a search until its facets are asked for

export class Filters {
  #root;
  #toggle;
  #address;
  #facets = element('div', {});
  #albums = element('div', {});
  #asking = new AbortController();
  #timer;
  #key;

  // toggle shows and hides root where the screen is small; address is the link
  // of a search.
  constructor(root, toggle, address) {
    this.#root = root;
    this.#toggle = toggle;
    this.#address = address;
    root.append(this.#facets, this.#albums);
    toggle.addEventListener('click', () => this.#open(!root.classList.contains('open')));
    root.addEventListener('click', (event) => event.target.closest('a') && this.#open(false));
  }

  #open(open) {
    this.#root.classList.toggle('open', open);
    this.#toggle.setAttribute('aria-expanded', String(open));
  }

  // show counts the photos of a search, when no other follows at once.
  show(asked, total) {
    this.#asking.abort();
    clearTimeout(this.#timer);
    const key = JSON.stringify([asked, total]);
    if (key === this.#key) return;
    const { signal } = this.#asking = new AbortController();
    this.#timer = setTimeout(async () => {
      try {
        const { facets } = await api.search({ q: asked.q, similar: asked.similar ? 1 : undefined, limit: 0, facets: 1 }, signal);
        this.#key = key;
        this.#showFacets(asked, facets);
      } catch {
        // The photos are there; what they have in common can be missing.
      }
    }, rest);
  }

  #showFacets(asked, facets) {
    // A filter narrows down a search for any words by taking them as they are.
    const { q } = asked;
    const value = (filter, text, title) => ({ filter, text, title });
    const when = clauses(q).find((clause) => field(clause) === 'taken');
    const byMonth = facets.years.length === 1 && facets.months.length > 1 || /^taken:\d{4}(-\d\d)?$/.test(when ?? '');
    const folder = below(facets.folders.map((one) => one.value));
    const sections = asked.similar ? [] : [
      this.#section(byMonth ? 'Month' : 'Year', byMonth ? facets.months : facets.years, q,
        (v) => value(`taken:${v}`, byMonth ? month(v) : v)),
      this.#section('Folder', facets.folders, q, (v) => value(named('folder', v), folder(v), v)),
      this.#section('Camera', facets.cameras, q, (v) => value(named('camera', v), v)),
    ];
    this.#facets.replaceChildren(...sections.filter(Boolean));
    this.#seen();
  }

  #section(title, values, q, of) {
    if (values.length === 0) return undefined;
    const most = Math.max(...values.map((one) => one.count));
    const items = values.map(({ value, count }, i) => {
      const { filter, text, title: whole } = of(value);
      const used = clauses(q).includes(filter);
      const item = element('li', { hidden: i >= usual },
        element('a', { href: this.#address({ q: withFilter(q, filter) }), title: whole, 'aria-current': used ? 'true' : undefined },
          element('span', { class: 'name' }, text), element('span', { class: 'number' }, number(count))));
      item.style.setProperty('--part', count / most);
      return item;
    });
    const list = element('ul', {}, items);
    const more = items.length > usual && element('button', {
      type: 'button', class: 'quiet',
      onclick: () => {
        items.forEach((item) => { item.hidden = false; });
        items[usual].querySelector('a').focus();
        more.remove();
      },
    }, `${items.length - usual} more`);
    return element('section', {}, element('h2', {}, title), list, more);
  }

  // showAlbums shows the saved queries.
  async showAlbums() {
    try {
      const { albums } = await api.get('/api/albums');
      const items = albums.map(({ name, problem }) => element('li', {},
        element('a', { href: this.#address({ q: `@${name}` }), title: problem }, element('span', { class: 'name' }, name)),
        !document.body.dataset.readOnly && element('button', {
          type: 'button', class: 'quiet remove', 'aria-label': `Delete the album ${name}`, title: 'Delete this album; its photos stay', onclick: () => this.#forget(name),
        }, '×')));
      this.#albums.replaceChildren(...(items.length > 0
        ? [element('section', {}, element('h2', {}, 'Albums'), element('ul', { class: 'albums' }, items))]
        : []));
      this.#seen();
    } catch {
      // As with facets.
    }
  }

  async #forget(name) {
    if (!confirm(`Delete the album “${name}”? Its photos stay.`)) return;
    await api.send('DELETE', `/api/albums/${encodeURIComponent(name)}`).catch(() => {}); // the list shows what is left
    this.showAlbums();
  }

  #seen() {
    this.#toggle.hidden = this.#facets.childElementCount + this.#albums.childElementCount === 0;
  }
}

// below shortens folders by what all of them begin with.
function below(folders) {
  const split = folders.map((folder) => folder.split('/'));
  let same = 0;
  while (split.length > 1 && split.every((parts) => parts.length > same + 1 && parts[same] === split[0][same])) same++;
  return (folder) => {
    const parts = folder.split('/');
    return parts.slice(split.length > 1 ? same : -1).join('/') || folder;
  };
}
