// Shows where the model looked while it wrote each word of a caption: over the
// picture, as long as somebody points at the word, has the focus on it, or has
// pressed it.
import { element } from './dom.js';
import { parted } from './text.js';

// words are the parts of an answer's caption. frame is the element around the
// picture; answer.looks has how much of the attention each cell got.
export function words(answer, frame) {
  const { looks } = answer;
  const peaks = looks.words.map(({ share }) => Math.max(...share));
  // A look that is even all over is not made to seem more than it is.
  const least = Math.max(...peaks) / 2;
  const canvas = element('canvas', { hidden: true, 'aria-hidden': 'true' });
  frame.append(canvas);
  let pressed; // the word whose look stays
  const buttons = [];
  const show = (i) => {
    canvas.hidden = i === undefined;
    if (i !== undefined) draw(canvas, frame, answer, looks.words[i].share.map((s) => s / Math.max(peaks[i], least)));
  };
  const press = (i) => {
    pressed = i === pressed ? undefined : i;
    buttons.forEach((button, n) => button.setAttribute('aria-pressed', String(n === pressed)));
    show(pressed);
  };
  const step = (event) => {
    const to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === 'Escape') press(pressed);
    if (!to) return;
    event.preventDefault();
    const next = buttons[(buttons.indexOf(event.target) + to + buttons.length) % buttons.length];
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  };
  const back = () => show(pressed);
  return parted(answer.caption, looks.words, (text, i) => {
    buttons[i] = element('button', {
      type: 'button', class: 'word', tabIndex: i === 0 ? 0 : -1, 'aria-pressed': 'false', 'aria-description': `looked ${where(looks, i)}`,
      onpointerenter: () => show(i), onpointerleave: back, onfocus: () => show(i), onblur: back, onclick: () => press(i), onkeydown: step,
    }, text);
    return buttons[i];
  });
}

// where says in words where most of a look lay, for those who do not see it.
function where({ columns, rows, words: all }, i) {
  const { share } = all[i];
  const peak = share.indexOf(Math.max(...share));
  if (share[peak] < 1.5 / share.length) return 'all over the picture';
  const third = (at, of, names) => names[Math.min(2, Math.floor(((at + 0.5) / of) * 3))];
  const high = third(Math.floor(peak / columns), rows, ['top', '', 'bottom']);
  const wide = third(peak % columns, columns, ['left', '', 'right']);
  return `mostly at the ${[high, wide].filter(Boolean).join(' ') || 'middle'}`;
}

// Colours from where the model did not look, which is dimmed, to where it did:
// red, green, blue, opacity.
const colours = [[15, 10, 50, 0.72], [190, 55, 80, 0.5], [255, 205, 70, 0.34]];

function colour(heat) {
  const at = Math.min(Math.max(heat, 0), 1) * (colours.length - 1);
  const from = Math.min(Math.floor(at), colours.length - 2);
  return colours[from].map((value, n) => value + (colours[from + 1][n] - value) * (at - from));
}

// draw puts heat, row by row, where the picture is in its frame.
function draw(canvas, frame, { looks: { columns, rows }, width, height }, heat) {
  const cells = new ImageData(columns, rows);
  heat.forEach((value, i) => {
    const [red, green, blue, opacity] = colour(value);
    cells.data.set([red, green, blue, 255 * opacity], 4 * i);
  });
  const small = element('canvas', { width: columns, height: rows });
  small.getContext('2d').putImageData(cells, 0, 0);
  // The browser smooths twice: cells would be seen as cells otherwise.
  [canvas.width, canvas.height] = [columns * 16, rows * 16];
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const box = frame.firstElementChild;
  const scale = Math.min(box.clientWidth / width, box.clientHeight / height);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  canvas.style.left = `${(box.clientWidth - width * scale) / 2}px`;
}
