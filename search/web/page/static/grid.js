// Shows photos that were found as rows of thumbnails. Only rows in view, and
// some around them, are in the page, so that it does not matter how many there
// are. Arrow keys go from photo to photo.
import * as api from './api.js';
import { element } from './dom.js';
import { Layout } from './layout.js';
import { marked } from './text.js';

const around = 1.2; // screens that are kept above and below what is seen
const ahead = 2.5; // screens before the end at which more is loaded
const fast = 5; // pixels a millisecond: pictures that fly by are not loaded
const atRest = 120; // milliseconds

const labelHeight = 48;
const firstLabelHeight = 30; // nothing is above it

export class Grid {
  #root;
  #address;
  #onMore;
  #results;
  #layout = new Layout({ width: 1, target: 200, gap: 6, below: 0 });
  #shown = new Map(); // elements by number of the row
  #laid = 0; // photos that have a place
  #active = 0; // the photo that Tab goes to
  #words = false; // captions stand below the pictures
  #scrolled = { at: 0, y: 0 };
  #waiting; // for the scrolling to end
  #drawing = false;

  // root is where photos go; address(hit) is the link of one; onMore(error) is
  // called when more photos have come, or could not.
  constructor(root, { address, onMore }) {
    this.#root = root;
    this.#address = address;
    this.#onMore = onMore;
    addEventListener('scroll', () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#resize()).observe(root);
    root.addEventListener('keydown', (event) => this.#key(event));
    root.addEventListener('focusin', (event) => {
      const number = event.target.closest('a')?.dataset.number;
      if (number) this.#activate(Number(number));
    });
  }

  // show replaces what is shown. words has captions stand below the pictures.
  show(results, { words }) {
    this.#results = results;
    this.#words = words;
    this.#root.classList.toggle('plain', !words);
    this.#active = 0;
    this.#relayout();
    this.#draw();
  }

  // clear shows nothing.
  clear() {
    for (const row of [...this.#shown.keys()]) this.#drop(row);
    this.#results = undefined;
    this.#root.style.height = '0';
  }

  // extend shows what was loaded since.
  extend() {
    if (!this.#results) return;
    this.#lay();
    this.#draw();
  }

  // refresh shows a photo anew that changed.
  refresh(i) {
    const row = this.#layout.rowOf(i);
    this.#drop(row);
    this.#draw();
  }

  // reveal scrolls to a photo unless it is in view; focus also goes there.
  reveal(i, { focus = true } = {}) {
    if (i < 0 || i >= this.#laid) return;
    this.#activate(i);
    const row = this.#layout.row(this.#layout.rowOf(i));
    const top = this.#root.getBoundingClientRect().top + scrollY + row.top;
    const header = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    const bottom = top + row.height + this.#layout.below;
    if (top < scrollY + header) scrollTo(0, top - header - 8);
    else if (bottom > scrollY + innerHeight) scrollTo(0, bottom - innerHeight + 8);
    this.#draw();
    if (focus) this.#link(i)?.focus({ preventScroll: true });
  }

  get height() {
    return this.#layout.bottom;
  }

  #measure() {
    const width = this.#root.clientWidth;
    const target = width < 560 ? 132 : width < 1000 ? 176 : 204;
    const gap = width < 560 ? 4 : 8;
    return { width, target, gap, below: this.#words ? 42 : 0 };
  }

  #relayout() {
    for (const row of [...this.#shown.keys()]) this.#drop(row);
    this.#layout = new Layout(this.#measure());
    this.#laid = 0;
    this.#lay();
  }

  #lay() {
    const { ratios, labels, length } = this.#results;
    for (; this.#laid < length; this.#laid++) {
      const text = labels.get(this.#laid);
      this.#layout.add(ratios[this.#laid], text && { text, height: this.#laid === 0 ? firstLabelHeight : labelHeight });
    }
    this.#layout.settle();
    this.#root.style.height = `${this.#layout.bottom}px`;
  }

  #resize() {
    if (!this.#results || this.#measure().width === this.#layout.width) return;
    // The first photo in view stays there.
    const top = this.#root.getBoundingClientRect().top;
    const before = this.#layout.length > 0 ? this.#layout.row(this.#layout.rowAt(-top)) : undefined;
    this.#relayout();
    if (top < 0 && before) {
      scrollBy(0, this.#layout.row(this.#layout.rowOf(before.first)).top - before.top);
    }
    this.#draw();
  }

  #soon() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#results) return;
    const top = -this.#root.getBoundingClientRect().top;
    const from = this.#layout.rowAt(top - around * innerHeight);
    const to = this.#layout.length === 0 ? -1 : this.#layout.rowAt(top + (1 + around) * innerHeight);
    const focused = document.activeElement?.closest?.('.row');
    const focus = this.#root.contains(document.activeElement) ? document.activeElement.dataset.number : undefined;
    for (const [number, row] of this.#shown) {
      const away = number < from || number > to;
      if ((away && row !== focused) || row.laid !== this.#layout.row(number)) this.#drop(number);
    }
    const calm = this.#calm(top);
    for (let number = from; number <= to; number++) {
      if (!this.#shown.has(number)) this.#add(number);
    }
    if (calm) this.#loadPictures();
    this.#activate(this.#active);
    if (focus && !this.#root.contains(document.activeElement)) this.#link(focus)?.focus({ preventScroll: true });
    this.#loadMore(top);
  }

  #link(number) {
    return this.#root.querySelector(`a[data-number="${number}"]`);
  }

  // calm reports whether pictures should be loaded now. If not, they are when
  // the scrolling has ended.
  #calm(y) {
    const at = performance.now();
    const speed = Math.abs(y - this.#scrolled.y) / Math.max(1, at - this.#scrolled.at);
    this.#scrolled = { at, y };
    if (speed < fast) return true;
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#loadPictures(), atRest);
    return false;
  }

  #loadPictures() {
    for (const image of this.#root.querySelectorAll('img[data-src]')) {
      image.src = image.dataset.src;
      delete image.dataset.src;
    }
  }

  async #loadMore(top) {
    const results = this.#results;
    if (results.complete || top + (1 + ahead) * innerHeight < this.#layout.bottom) return;
    try {
      const before = results.length;
      await results.more();
      if (results !== this.#results || results.length === before) return;
      this.#onMore();
      this.extend();
    } catch (error) {
      if (error.name !== 'AbortError' && results === this.#results) this.#onMore(error);
    }
  }

  #drop(number) {
    const row = this.#shown.get(number);
    if (!row) return;
    for (const image of row.querySelectorAll('img')) image.removeAttribute('src'); // ends its loading
    row.remove();
    this.#shown.delete(number);
  }

  #add(number) {
    const laid = this.#layout.row(number);
    const row = laid.label
      ? element('h2', { class: 'row label' }, laid.label)
      : element('div', { class: 'row' }, this.#photos(laid, number));
    row.laid = laid;
    row.style.top = `${laid.top}px`;
    row.style.height = `${laid.height + (laid.label ? 0 : this.#layout.below)}px`;
    this.#shown.set(number, row);
    // In the page rows stand in their order, for those who read or tab.
    const after = [...this.#shown.keys()].filter((n) => n > number).sort((a, b) => a - b)[0];
    this.#root.insertBefore(row, after === undefined ? null : this.#shown.get(after));
  }

  #photos(laid, number) {
    let missing = false;
    const made = this.#layout.places(laid, this.#results.ratios).map(({ left, width }, n) => {
      const i = laid.first + n;
      const hit = this.#results.hit(i);
      missing ||= !hit;
      const cell = hit ? this.#photo(hit, i, laid.height) : element('div', { class: 'cell' });
      cell.style.left = `${left}px`;
      cell.style.width = `${width}px`;
      return cell;
    });
    if (missing) this.#recall(laid, number);
    return made;
  }

  async #recall(laid, number) {
    const results = this.#results;
    try {
      await Promise.all([results.recall(laid.first), results.recall(laid.first + laid.count - 1)]);
      if (results !== this.#results || !this.#shown.has(number)) return;
      // Where the library has shrunk since, there may be nothing to recall.
      if (!results.hit(laid.first) || !results.hit(laid.first + laid.count - 1)) return;
      this.#drop(number);
      this.#soon();
    } catch (error) {
      if (error.name !== 'AbortError' && results === this.#results) this.#onMore(error);
    }
  }

  #photo(hit, i, height) {
    const image = element('img', { alt: hit.caption || 'a photo without a caption', decoding: 'async', draggable: false });
    image.dataset.src = api.thumb(hit.photo);
    image.addEventListener('load', () => image.classList.add('loaded'));
    image.addEventListener('error', () => image.getAttribute('src') && noPicture(image));
    const link = element('a', { href: this.#address(hit), tabIndex: -1 }, image);
    link.dataset.number = i;
    link.style.height = `${height}px`;
    const doubt = hit.unsure && !hit.edited;
    const why = (hit.why ?? []).filter((reason) => reason !== 'caption').join(', ');
    return element('figure', { class: `cell${doubt ? ' unsure' : ''}` },
      link,
      // The picture's alt text says it already.
      element('figcaption', { 'aria-hidden': 'true', title: hit.caption }, marked(hit.caption, hit.marks)),
      this.#words && why && element('p', { class: 'why', title: why }, why));
  }

  #activate(i) {
    this.#active = i;
    const links = [...this.#root.querySelectorAll('a')];
    if (links.length === 0) return;
    const active = links.find((link) => Number(link.dataset.number) === i) ?? links[0];
    for (const link of links) link.tabIndex = link === active ? 0 : -1;
  }

  #key(event) {
    const number = Number(event.target.closest('a')?.dataset.number ?? NaN);
    if (Number.isNaN(number) || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = {
      ArrowLeft: () => number - 1,
      ArrowRight: () => number + 1,
      ArrowUp: () => this.#beside(number, -1),
      ArrowDown: () => this.#beside(number, 1),
      Home: () => 0,
      End: () => this.#laid - 1,
    }[event.key]?.();
    if (to === undefined || to < 0 || to >= this.#laid) return;
    event.preventDefault();
    this.reveal(to);
  }

  // beside is the photo above or below another.
  #beside(i, step) {
    const { ratios } = this.#results;
    const from = this.#layout.rowOf(i);
    const row = this.#layout.row(from);
    const own = this.#layout.places(row, ratios)[i - row.first];
    const middle = own.left + own.width / 2;
    let to = from + step;
    while (to >= 0 && to < this.#layout.length && this.#layout.row(to).count === 0) to += step;
    if (to < 0 || to >= this.#layout.length) return undefined;
    const other = this.#layout.row(to);
    const place = this.#layout.places(other, ratios).findIndex(({ left, width }) => left + width >= middle);
    return other.first + (place < 0 ? other.count - 1 : place);
  }
}

// noPicture tries a thumbnail once more, as the server may have been busy, and
// then says that there is none.
function noPicture(image) {
  if (image.dataset.tried) {
    image.closest('.cell')?.classList.add('broken');
    return;
  }
  image.dataset.tried = 'yes';
  setTimeout(() => { if (image.isConnected) image.src = `${image.src}?again`; }, 2500);
}
