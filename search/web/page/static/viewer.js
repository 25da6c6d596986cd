// Shows one photo large, over the grid, with all that is known of it.
import * as api from './api.js';
import { CaptionEditor } from './edit.js';
import { byID, isTyping } from './dom.js';
import { facts, others, looks } from './facts.js';

// What browsers show by themselves; of everything else the preview has to do.
const shown = new Set(['jpeg', 'png', 'webp', 'gif', 'bmp', 'avif']);

export class Viewer {
  #dialog = byID('viewer');
  #stage = byID('stage');
  #picture = byID('picture');
  #editor;
  #handlers;
  #photo; // as far as it is known
  #loading = new AbortController();
  #neighbours = {};

  // handlers: close() and go(step) say where to; changed(photo) has a new
  // caption; address(query) is the link of a search.
  constructor(handlers) {
    this.#handlers = handlers;
    this.#editor = new CaptionEditor((photo) => {
      this.#photo = photo;
      this.#describe(photo);
      handlers.changed(photo);
    });
    byID('close').addEventListener('click', () => handlers.close());
    byID('previous').addEventListener('click', () => handlers.go(-1));
    byID('following').addEventListener('click', () => handlers.go(1));
    byID('zoom').addEventListener('click', () => this.#zoom());
    this.#picture.addEventListener('click', () => this.#dragged || this.#zoom());
    this.#dialog.addEventListener('keydown', (event) => this.#key(event));
    // Browsers also close a dialog by themselves, as by a phone's Back gesture.
    this.#dialog.addEventListener('close', () => this.#photo && handlers.close());
    this.#swipes();
    this.#drags();
  }

  get open() {
    return this.#dialog.open;
  }

  get id() {
    return this.#photo?.photo;
  }

  // show shows the photo with an ID. hit is what a search said of it, if
  // anything; neighbours: { previous, following } are IDs, where there are any.
  async show(id, hit, neighbours) {
    this.neighbours = neighbours;
    if (this.open && this.id === id) return;
    this.#loading.abort();
    this.#loading = new AbortController();
    this.#photo = { photo: id, ...hit };
    this.#unzoom();
    if (!this.open) this.#dialog.showModal();
    byID('panel').scrollTop = 0;
    this.#paint(this.#photo);
    this.#describe(this.#photo, false);
    try {
      const photo = await api.photo(id, this.#loading.signal);
      this.#photo = photo;
      if (!hit) this.#paint(photo);
      this.#describe(photo);
      if (this.#stage.classList.contains('zoomed')) this.#sharpen();
    } catch (error) {
      if (error.name !== 'AbortError') this.#fail(error);
    }
  }

  hide() {
    this.#loading.abort();
    this.#editor.leave();
    this.#picture.replaceChildren();
    this.#photo = undefined;
    if (this.open) this.#dialog.close();
  }

  set neighbours(neighbours) {
    this.#neighbours = neighbours;
    byID('previous').disabled = !neighbours.previous;
    byID('following').disabled = !neighbours.following;
    for (const id of [neighbours.following, neighbours.previous]) {
      if (id) new Image().src = api.preview(id);
    }
  }

  // paint puts the thumbnail, which is there already, under the preview.
  #paint({ photo, width, height, caption }) {
    this.#picture.style.setProperty('--width', width || 1600);
    this.#picture.style.setProperty('--height', height || 1200);
    const large = new Image();
    large.alt = caption || 'a photo without a caption';
    large.className = 'large';
    large.draggable = false;
    large.src = api.preview(photo);
    large.addEventListener('error', () => this.#say('This picture cannot be shown: the file may be gone or damaged.'));
    const small = new Image();
    small.alt = '';
    small.draggable = false;
    small.src = api.thumb(photo);
    this.#picture.replaceChildren(small, large);
    this.#say('');
  }

  #describe(photo, whole = true) {
    document.title = `${photo.caption || 'Photo'} · shoebox`;
    const large = this.#picture.querySelector('.large');
    if (large) large.alt = photo.caption || 'a photo without a caption';
    this.#editor.show(photo, whole);
    byID('download').href = `${api.original(photo.photo)}?download=1`;
    byID('similar').href = this.#handlers.address({ q: photo.caption, similar: true });
    byID('similar').hidden = !photo.caption;
    byID('facts').replaceChildren(...facts(photo, this.#handlers.address));
    const canEdit = whole && !document.body.dataset.readOnly;
    byID('others').replaceChildren(...others(photo, canEdit ? (text) => this.#editor.save(text) : undefined));
    byID('looks').replaceChildren(...looks(photo, this.#handlers.address));
  }

  #fail(error) {
    if (error.status === 404) {
      this.#say('This photo is no longer in the library.');
      return;
    }
    this.#say(error.message);
  }

  #say(text) {
    byID('trouble').textContent = text;
    byID('trouble').hidden = !text;
  }

  // zoom shows the original in its own size, or all of the picture again.
  #zoom() {
    if (this.#stage.classList.contains('zoomed')) {
      this.#unzoom();
      return;
    }
    if (!this.#photo) return;
    this.#stage.classList.add('zoomed');
    byID('zoom').setAttribute('aria-pressed', 'true');
    const middle = () => {
      this.#stage.scrollTo((this.#stage.scrollWidth - this.#stage.clientWidth) / 2,
        (this.#stage.scrollHeight - this.#stage.clientHeight) / 2);
    };
    middle();
    this.#sharpen();
  }

  // sharpen shows the original in place of the preview, once it is known what
  // it is.
  #sharpen() {
    const { photo, format } = this.#photo;
    if (shown.has(format)) this.#picture.querySelector('.large').src = api.original(photo);
  }

  #unzoom() {
    this.#stage.classList.remove('zoomed');
    byID('zoom').setAttribute('aria-pressed', 'false');
  }

  #leave() {
    if (this.#editor.editing) this.#editor.leave();
    else if (this.#stage.classList.contains('zoomed')) this.#unzoom();
    else this.#handlers.close();
  }

  #key(event) {
    if (event.key === 'Escape') {
      event.preventDefault();
      this.#leave();
      return;
    }
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const zoomed = this.#stage.classList.contains('zoomed');
    const act = {
      ArrowLeft: zoomed ? undefined : () => this.#handlers.go(-1),
      ArrowRight: zoomed ? undefined : () => this.#handlers.go(1),
      z: () => this.#zoom(),
      e: () => this.#editor.begin(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // swipes go to the neighbours on a touch screen.
  #swipes() {
    let start;
    this.#stage.addEventListener('touchstart', (event) => {
      start = event.touches.length === 1 ? event.touches[0] : undefined;
    }, { passive: true });
    this.#stage.addEventListener('touchend', (event) => {
      if (!start || this.#stage.classList.contains('zoomed')) return;
      const { clientX, clientY } = event.changedTouches[0];
      const across = clientX - start.clientX;
      if (Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(clientY - start.clientY)) {
        this.#handlers.go(across > 0 ? -1 : 1);
      }
    }, { passive: true });
  }

  #dragged = false;

  // drags move a picture that is larger than the screen.
  #drags() {
    let from;
    this.#stage.addEventListener('pointerdown', (event) => {
      this.#dragged = false;
      if (event.pointerType !== 'mouse' || !this.#stage.classList.contains('zoomed')) return;
      from = { x: event.clientX + this.#stage.scrollLeft, y: event.clientY + this.#stage.scrollTop };
    });
    addEventListener('pointermove', (event) => {
      if (!from) return;
      const { scrollLeft, scrollTop } = this.#stage;
      this.#stage.scrollTo(from.x - event.clientX, from.y - event.clientY);
      this.#dragged ||= Math.abs(scrollLeft - this.#stage.scrollLeft) + Math.abs(scrollTop - this.#stage.scrollTop) > 2;
    });
    addEventListener('pointerup', () => { from = undefined; });
  }
}
