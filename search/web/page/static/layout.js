// Lays pictures out in rows that fill the width, in which every picture keeps
// its shape. It computes; it shows nothing.

// Shapes beyond these are shown cut, or a panorama would be a line.
const narrowest = 0.5;
const widest = 3.2;

export const shape = (width, height) =>
  (width > 0 && height > 0 ? Math.min(widest, Math.max(narrowest, width / height)) : 1);

// Layout holds the rows: { first, count, top, height } in pixels, with `label`
// for a row without pictures. Pictures can be added at the end.
export class Layout {
  // width of all; the height that a row has about; the gap between pictures;
  // the room below each for its words.
  constructor({ width, target, gap, below }) {
    Object.assign(this, { width, target, gap, below });
    this.rows = [];
    this.height = 0; // of all rows that are complete
    this.open = []; // shapes of the row that is not
    this.opened = 0; // number of its first picture
    this.last = undefined; // that row, as it is shown until it is complete
  }

  // add appends a picture, which begins a row below a label if there is one.
  add(ratio, label = undefined) {
    if (label) {
      this.finish();
      this.#push({ first: this.opened, count: 0, height: label.height, label: label.text });
    }
    if (this.open.length > 0 && this.#heightWith(ratio) < this.target) {
      // Too low with it, too high without: whichever is nearer.
      const without = this.#heightWith();
      if (without / this.target < this.target / this.#heightWith(ratio)) this.#close(without);
    }
    this.open.push(ratio);
    const height = this.#heightWith();
    if (height <= this.target) this.#close(height);
  }

  // settle shows what is left at the end as a row that is not full. More may
  // be added later.
  settle() {
    this.last = this.open.length > 0
      ? { first: this.opened, count: this.open.length, top: this.height, height: this.target, open: true }
      : undefined;
  }

  // finish ends a row though it is not full.
  finish() {
    if (this.open.length > 0) this.#close(Math.min(this.#heightWith(), this.target));
  }

  get bottom() {
    return this.height + (this.last ? this.last.height + this.below + this.gap : 0);
  }

  get length() {
    return this.rows.length + (this.last ? 1 : 0);
  }

  row(i) {
    return i < this.rows.length ? this.rows[i] : this.last;
  }

  // rowAt is the number of the row at a height.
  rowAt(y) {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.row(middle).top <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  // rowOf is the number of the row with a picture.
  rowOf(picture) {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.row(middle).first <= picture) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // places are where the pictures of a row stand: { left, width }. They end on
  // whole pixels, so that rows end alike.
  places(row, ratios) {
    const places = [];
    let x = 0;
    for (let i = row.first; i < row.first + row.count; i++) {
      const left = Math.round(x);
      x += ratios[i] * row.height;
      places.push({ left, width: Math.min(Math.round(x), this.width) - left });
      x += this.gap;
    }
    return places;
  }

  #heightWith(...more) {
    const all = this.open.length + more.length;
    const sum = [...this.open, ...more].reduce((a, b) => a + b, 0);
    return (this.width - this.gap * (all - 1)) / sum;
  }

  #close(height) {
    this.#push({ first: this.opened, count: this.open.length, height });
    this.opened += this.open.length;
    this.open = [];
  }

  #push(row) {
    this.rows.push({ ...row, top: this.height });
    this.height += row.height + this.gap + (row.label ? 0 : this.below);
  }
}
