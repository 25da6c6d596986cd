// What a search finds, in its order, page by page as it is needed. Of all
// photos that were loaded the IDs and shapes are kept; everything else only of
// those that were looked at last, and asked for again.
import * as api from './api.js';
import { shape } from './layout.js';
import { order } from './query.js';

const firstPage = 60;
const laterPage = 200;
const mostPages = 15; // that are kept whole

export class Results {
  #pages = []; // { after, start, count, hits, used }
  #loading;
  #asked = new Map(); // pages that are being loaded again
  #clock = 0;
  #under = ''; // the label above the last photo
  #ended = new AbortController();

  // asked is { q, similar }.
  constructor(asked) {
    this.asked = asked;
    this.total = 0;
    this.ids = [];
    this.ratios = [];
    this.labels = new Map(); // what stands above some photos, by number
    this.next = ''; // where it goes on; undefined: these are all
  }

  // end drops what is still being loaded.
  end() {
    this.#ended.abort();
  }

  get length() {
    return this.ids.length;
  }

  get complete() {
    return this.next === undefined;
  }

  // more loads the next page.
  more(limit = this.length === 0 ? firstPage : laterPage) {
    this.#loading ??= this.#load(limit).finally(() => { this.#loading = undefined; });
    return this.#loading;
  }

  #ask(after, limit) {
    const { q, similar } = this.asked;
    return api.search({ q, similar: similar ? 1 : undefined, after, limit }, this.#ended.signal);
  }

  async #load(limit) {
    if (this.complete) return;
    const after = this.next;
    const answer = await this.#ask(after, limit);
    if (this.length === 0) this.answer = answer;
    this.total = Math.max(this.total, answer.total);
    const start = this.length;
    this.#pages.push({ after, start, count: answer.hits.length, hits: answer.hits, used: ++this.#clock });
    for (const hit of answer.hits) {
      this.#label(hit);
      this.ids.push(hit.photo);
      this.ratios.push(shape(hit.width, hit.height));
    }
    this.next = answer.next || undefined;
    this.#forget();
  }

  // label parts what is less likely from the rest, or years, where photos are
  // in the order of their dates.
  #label(hit) {
    const dated = !this.asked.similar && /^(date|oldest)$/.test(order(this.asked.q));
    let text = dated ? hit.taken_at?.slice(0, 4) ?? (this.length > 0 && 'No date known') : '';
    if (hit.possible) text = this.total === 0 ? 'No photo surely shows this. Perhaps these:' : 'Less likely';
    if (text && text !== this.#under) this.labels.set(this.length, text);
    this.#under = text || this.#under;
  }

  #page(i) {
    return this.#pages.findLast((page) => page.start <= i);
  }

  // hit is a photo of the result, or undefined where it is not at hand: then
  // recall brings it.
  hit(i) {
    const page = this.#page(i);
    if (!page) return undefined;
    page.used = ++this.#clock;
    return page.hits?.[i - page.start];
  }

  // recall loads the page of a photo again.
  recall(i) {
    const page = this.#page(i);
    if (!page || page.hits) return Promise.resolve();
    if (!this.#asked.has(page)) {
      const loading = this.#ask(page.after, page.count).then((answer) => {
        page.hits = answer.hits.slice(0, page.count);
        page.hits.forEach((hit, n) => { this.ids[page.start + n] = hit.photo; });
        page.used = ++this.#clock;
        this.#forget();
      }).finally(() => this.#asked.delete(page));
      this.#asked.set(page, loading);
    }
    return this.#asked.get(page);
  }

  #forget() {
    const whole = this.#pages.filter((page) => page.hits).sort((a, b) => b.used - a.used);
    for (const page of whole.slice(mostPages)) page.hits = undefined;
  }

  indexOf(id) {
    return this.ids.indexOf(id);
  }

  // update takes over what changed of a photo. Its marks are of the caption
  // that it had.
  update(id, { caption, edited, unsure }) {
    const i = this.indexOf(id);
    const hit = i < 0 ? undefined : this.hit(i);
    if (hit) Object.assign(hit, { caption, edited, unsure, marks: undefined });
    return i;
  }
}
