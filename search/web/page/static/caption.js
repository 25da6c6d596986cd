// The page that captions pictures which are dropped, pasted or chosen. They
// are sent one after the other, shown from this tab's memory, and not kept.
import * as api from './api.js';
import { byID, element } from './dom.js';
import { words } from './looks.js';
import { count, percent } from './text.js';
import { address } from './query.js';

const tries = 5; // while the server is busy with others
const list = byID('captioned');
const waiting = [];
let busy = false;

function add(files) {
  for (const file of files) {
    const item = element('li', { class: 'picture' }, element('div', { class: 'frame' }, thumbnail(file)),
      element('div', { class: 'said' }, element('p', { class: 'name' }, file.name || 'pasted picture'), element('p', { class: 'note' }, 'Waiting…')));
    list.prepend(item);
    waiting.push({ file, item });
  }
  byID('clear').hidden = false;
  work();
}

function thumbnail(file) {
  const image = element('img', { alt: '' });
  // What the browser cannot show, as HEIC, is captioned all the same.
  image.addEventListener('error', () => {
    URL.revokeObjectURL(image.src);
    image.replaceWith(element('span', { class: 'no-picture' }, 'no preview'));
  });
  image.src = URL.createObjectURL(file);
  return image;
}

async function work() {
  if (busy) return;
  busy = true;
  let done = 0;
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    if (await caption(next)) done++;
    byID('done').textContent = waiting.length > 0
      ? `${count(waiting.length, 'picture')} to go`
      : `${count(done, 'picture')} captioned`;
  }
  busy = false;
}

async function caption({ file, item }) {
  const said = item.querySelector('.said');
  const name = said.querySelector('.name');
  said.replaceChildren(name, element('p', { class: 'note' }, 'Looking…'));
  const began = performance.now();
  try {
    const answer = await patiently(() => api.upload('/api/caption', file));
    item.querySelector('img')?.setAttribute('alt', answer.caption);
    said.replaceChildren(name, ...described(answer, item.querySelector('.frame'), (performance.now() - began) / 1000));
    return true;
  } catch (error) {
    said.replaceChildren(name, element('p', { class: 'bad' }, `No caption: ${error.message}`));
    return false;
  }
}

// patiently asks again while the server says that it is busy.
async function patiently(ask) {
  for (let left = tries; ; left--) {
    try {
      return await ask();
    } catch (error) {
      if (error.status !== 429 || left === 0) throw error;
      await new Promise((resume) => { setTimeout(resume, 1000 * (error.retryAfter || 2)); });
    }
  }
}

// described is what the model says, with the other captions that it thought
// of: each as likely as its bar is long, beside the likeliest. Each word of the
// caption shows in frame where the model looked.
function described(answer, frame, seconds) {
  const likeliest = Math.max(...answer.others.map((other) => other.likelihood), -Infinity);
  const others = answer.others.map(({ text, likelihood }) => {
    const row = element('li', {}, element('span', {}, text),
      element('span', { class: 'score', title: 'log-probability of its words, in nats: nearer to 0 is likelier' }, likelihood.toFixed(1)));
    row.style.setProperty('--share', Math.exp(likelihood - likeliest));
    return row;
  });
  const looks = answer.looks_like.map(({ word, probability }) => element('li', {},
    element('a', { href: address({ q: word }) }, `${word} `, element('span', { class: 'share' }, percent(probability)))));
  return [
    element('p', { class: answer.unsure ? 'caption unsure' : 'caption' }, answer.looks ? words(answer, frame) : answer.caption),
    answer.looks && element('p', { class: 'note' }, 'Point at a word to see where the model looked.'),
    element('p', { class: 'note' }, [
      answer.unsure && 'the model is unsure', answer.damaged && 'the picture is damaged',
      `score ${answer.score.toFixed(2)}`, `${answer.width} × ${answer.height}`, `${seconds.toFixed(1)} s`, `model ${answer.model_name}`,
    ].filter(Boolean).join(', ')),
    looks.length > 0 && element('ul', { class: 'looks', 'aria-label': 'Looks like' }, looks),
    others.length > 0 && element('details', { open: true }, element('summary', {}, 'Other captions'), element('ul', { class: 'others' }, others)),
    element('p', {}, element('a', { href: address({ q: answer.caption, similar: true }) }, 'Photos like this')),
  ].filter(Boolean);
}

byID('files').addEventListener('change', (event) => {
  add(event.target.files);
  event.target.value = '';
});
addEventListener('paste', (event) => event.clipboardData.files.length > 0 && add(event.clipboardData.files));

const drop = byID('drop');
const over = (is) => drop.classList.toggle('over', is);
addEventListener('dragover', (event) => {
  event.preventDefault();
  over(true);
});
addEventListener('dragleave', (event) => event.relatedTarget || over(false));
addEventListener('drop', (event) => {
  event.preventDefault();
  over(false);
  add(event.dataTransfer.files);
});

byID('clear').addEventListener('click', () => {
  waiting.length = 0;
  for (const image of list.querySelectorAll('img')) URL.revokeObjectURL(image.src);
  list.replaceChildren();
  byID('done').textContent = '';
  byID('clear').hidden = true;
  byID('files').focus();
});
