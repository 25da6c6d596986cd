// The search page: what is typed, or followed, becomes the address, and the
// address becomes what is shown. So Back, bookmarks and reloads work, and so
// does a photo's own address, which is shown over the photos of its search.
import * as api from './api.js';
import { byID, element, isPlainClick, isTyping } from './dom.js';
import { Filters } from './filters.js';
import { Grid } from './grid.js';
import { showEmpty, showNotices, showProblem } from './notices.js';
import { address, clauses, filters, order, ordered, without } from './query.js';
import { Results } from './results.js';
import { count } from './text.js';
import { Viewer } from './viewer.js';

const typing = 30; // milliseconds without a key until what is typed is searched
const patience = 900; // until a query that cannot be read is complained about
const statusEvery = 15000;
const soon = 2000; // while the index is being built, or the database is away

const box = byID('q');
let asked; // what is shown: { q, similar }
let results;
let status; // of the library, once it is known
let typed; // a timer
let inBox = false; // the newest entry of the history is still being typed

const grid = new Grid(byID('grid'), {
  address: (hit) => photoAddress(hit.photo),
  onMore: (error) => {
    byID('end').textContent = error ? `No more photos could be loaded: ${error.message}` : '';
    if (viewer.open) viewer.neighbours = neighbours();
  },
});

const viewer = new Viewer({
  address,
  close: () => (history.state?.over ? history.back() : go(address(asked), { replace: true })),
  go: step,
  changed: (photo) => {
    const i = results.update(photo.photo, photo);
    if (i >= 0) grid.refresh(i);
  },
});

const sidebar = new Filters(byID('filters'), byID('filters-toggle'), address);

const here = () => {
  const parameters = new URLSearchParams(location.search);
  return { q: parameters.get('q') ?? '', similar: parameters.get('similar') === '1' };
};
const photoAddress = (id) => `/photo/${id}${address(asked).slice(1)}`;
const photoHere = () => /^\/photo\/([0-9a-f]{64})$/.exec(location.pathname)?.[1];

// go goes to an address of this page.
function go(to, { replace = false, state = {} } = {}) {
  if (replace) history.replaceState(state, '', to);
  else history.pushState(state, '', to);
  show();
}

// show shows what the address says.
function show() {
  const wanted = here();
  if (!asked || wanted.q !== asked.q || wanted.similar !== asked.similar) find(wanted);
  const id = photoHere();
  if (id) open(id);
  else if (viewer.open) shut();
}

function open(id) {
  const i = results.indexOf(id);
  viewer.show(id, i < 0 ? undefined : results.hit(i), neighbours(id));
}

// shut leads back to the photo in the grid.
function shut() {
  const i = results.indexOf(viewer.id);
  viewer.hide();
  document.title = titleOf(asked);
  if (i >= 0) grid.reveal(i);
}

function neighbours(id = viewer.id) {
  const i = results.indexOf(id);
  return i < 0 ? {} : { previous: results.ids[i - 1], following: results.ids[i + 1] };
}

// step shows the photo before or behind the one that is open.
async function step(by) {
  const i = results.indexOf(viewer.id) + by;
  if (i < by || i < 0) return;
  if (i >= results.length - 10 && !results.complete) {
    await results.more().catch(() => {}); // at the end there is nothing to go to
    grid.extend();
  }
  if (i < results.length) go(photoAddress(results.ids[i]), { replace: true, state: history.state });
}

const titleOf = ({ q }) => (q ? `${q} · shoebox` : 'shoebox');

// find searches and shows what is found. What was searched before is dropped,
// and what is shown stays until there is an answer.
async function find(wanted) {
  asked = wanted;
  results?.end();
  const found = results = new Results(asked);
  if (document.activeElement !== box || !inBox) box.value = asked.q;
  document.title = titleOf(asked);
  byID('sort').value = asked.similar ? 'relevance' : order(asked.q);
  byID('sort').disabled = asked.similar;
  showChips();
  const slow = setTimeout(() => document.body.classList.add('searching'), 250);
  try {
    await found.more();
    if (found !== results) return;
    await showResults(found);
  } catch (error) {
    if (error.name === 'AbortError' || found !== results) return;
    complain(error, found);
  } finally {
    clearTimeout(slow);
    if (found === results) document.body.classList.remove('searching');
  }
}

async function showResults(found) {
  showProblem();
  const { total, answer } = found;
  byID('total').textContent = total > 0 || found.length === 0 ? count(total, 'photo') : 'None for sure';
  byID('end').textContent = '';
  byID('album-save').hidden = !asked.q || asked.similar || Boolean(document.body.dataset.readOnly);
  grid.show(found, { words: asked.q !== '' });
  showEmpty(found, status);
  showNotices(status, answer);
  const scrolled = history.state?.scrolled ?? 0;
  if (!photoHere()) scrollTo(0, 0);
  while (scrolled > grid.height - innerHeight && !found.complete && found === results) {
    await found.more(500);
    grid.extend();
  }
  if (scrolled > 0 && found === results) scrollTo(0, scrolled);
  if (viewer.open) viewer.neighbours = neighbours();
  sidebar.show(asked, total);
}

// complain says what is wrong with a query; while it is being typed, only
// after a while.
function complain(error, found) {
  const say = () => {
    if (found !== results) return;
    byID('total').textContent = '';
    byID('album-save').hidden = true;
    grid.clear();
    showEmpty(undefined);
    showProblem(error, asked.q);
  };
  if (inBox && error.code === 'bad_query') setTimeout(say, patience);
  else say();
}

function showChips() {
  const chip = (label, to, remove) => element('li', {},
    element('a', { class: 'chip', href: to, 'aria-label': `Remove ${remove}` }, label,
      element('span', { 'aria-hidden': 'true' }, '×')));
  const chips = asked.similar
    ? [chip('any of these words', address({ q: asked.q }), 'the search for any of these words')]
    : filters(asked.q).map((clause) => chip(clause, address({ q: without(asked.q, clause) }), clause));
  byID('chips').replaceChildren(...chips);
}

// What is typed is searched at once. It is one entry of the history, until
// something else is done.
box.addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const to = address({ q: box.value });
    if (clauses(box.value).join(' ') === clauses(asked.q).join(' ') && !asked.similar) return;
    const replace = inBox;
    inBox = true;
    go(to, { replace });
  }, typing);
});
box.addEventListener('blur', () => { inBox = false; });
box.addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowDown') return;
  event.preventDefault();
  grid.reveal(0);
});
byID('search').addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(typed);
  inBox = false;
  const wanted = { q: box.value.trim() };
  if (wanted.q === asked.q) find(asked);
  else go(address(wanted));
});

byID('sort').addEventListener('change', (event) => go(address({ q: ordered(asked.q, event.target.value) })));

// Links of this page are followed without leaving it.
document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href]');
  if (!link || !isPlainClick(event) || link.target || link.hasAttribute('download')) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || (to.pathname !== '/' && !to.pathname.startsWith('/photo/'))) return;
  event.preventDefault();
  inBox = false;
  if (to.pathname === '/') go(to.pathname + to.search);
  else go(to.pathname + to.search, { state: { over: true } });
});

document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || isTyping(event) || viewer.open || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  box.focus();
  box.select();
});

// Back from another page leads to the same place.
let settled;
addEventListener('scroll', () => {
  clearTimeout(settled);
  settled = setTimeout(() => {
    if (!photoHere()) history.replaceState({ ...history.state, scrolled: Math.round(scrollY) }, '');
  }, 200);
}, { passive: true });
history.scrollRestoration = 'manual';
addEventListener('popstate', () => {
  inBox = false;
  show();
});

// A query can be kept as an album.
const albumForm = byID('album');
const askName = (asking) => {
  albumForm.hidden = !asking;
  byID('album-save').hidden = asking;
  if (asking) albumForm.elements.name.focus();
};
byID('album-save').addEventListener('click', () => askName(true));
byID('album-cancel').addEventListener('click', () => askName(false));
albumForm.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    await api.send('PUT', `/api/albums/${encodeURIComponent(albumForm.elements.name.value)}`, { query: asked.q });
    albumForm.reset();
    askName(false);
    sidebar.showAlbums();
  } catch (error) {
    showProblem(error);
  }
});

// The library may be empty, behind, or without anybody who works.
let nextLook;
async function look() {
  clearTimeout(nextLook);
  if (document.hidden) return;
  let every = statusEvery;
  try {
    const before = status;
    status = await api.status();
    const { answer } = results;
    showNotices(status, answer);
    if (answer) showEmpty(results, status);
    if (answer?.building || status.database_problem) every = soon;
    // Whoever looks at the newest photos sees those that have come since.
    const grown = before && before.index.photos !== status.index.photos;
    const still = scrollY < 50 && !viewer.open && !byID('grid').contains(document.activeElement);
    if (still && (answer?.building || (grown && asked.q === ''))) find(asked);
  } catch {
    // What is shown stays; the next search says what is wrong.
  }
  nextLook = setTimeout(look, every);
}
document.addEventListener('visibilitychange', look);

show();
look();
sidebar.showAlbums();
