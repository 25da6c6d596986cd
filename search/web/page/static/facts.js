// What is known of a photo besides its caption, as elements.
import { element } from './dom.js';
import { exposure, number, percent, taken } from './text.js';
import { named } from './query.js';

// facts are the terms and descriptions of a <dl>. address is the link of a
// search.
export function facts(photo, address) {
  const find = (q, text, more = {}) => element('a', { href: address({ q }), ...more }, text);
  const { lat, lon } = photo;
  const size = photo.width && `${number(photo.width)} × ${number(photo.height)}`;
  const rows = [
    ['Title', photo.title],
    ['Description', photo.description],
    ['People', photo.people?.join(', ')],
    ['Keywords', photo.keywords?.flatMap((word, i) => [i > 0 && ', ', find(`"${word.replaceAll('"', ' ')}"`, word)])],
    ['Rating', photo.rating && `${photo.rating} of 5`],
    ['Taken', photo.taken_at && find(`taken:${photo.taken_at.slice(0, 10)}`, taken(photo.taken_at), { title: 'Photos of this day' })],
    ['Camera', photo.camera && find(named('camera', photo.camera), photo.camera)],
    ['Lens', photo.lens && find(named('lens', photo.lens), photo.lens)],
    ['Exposure', exposure(photo)],
    ['Place', lat !== undefined && lon !== undefined && place(lat, lon, find)],
    ['Picture', [size, photo.format?.toUpperCase(), photo.damaged && 'damaged'].filter(Boolean).join(', ')],
    [photo.paths?.length > 1 ? 'Files' : 'File', photo.paths?.map((path) => file(path, find))],
  ];
  return rows.filter(([, value]) => value && value.length !== 0)
    .flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]);
}

// A link to a map is only a link: nothing is asked of its site before it is
// followed.
function place(lat, lon, find) {
  const at = `${lat.toFixed(5)}/${lon.toFixed(5)}`;
  return [
    `${Math.abs(lat).toFixed(4)}° ${lat < 0 ? 'S' : 'N'}, ${Math.abs(lon).toFixed(4)}° ${lon < 0 ? 'W' : 'E'}`,
    element('span', { class: 'aside' },
      element('a', {
        href: `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=15/${at}`, target: '_blank', rel: 'noopener noreferrer',
      }, 'Map ↗'),
      find(`near:${lat.toFixed(5)},${lon.toFixed(5)},1km`, 'Photos near here')),
  ];
}

function file(path, find) {
  const cut = path.lastIndexOf('/');
  return element('div', { class: 'file' },
    find(named('folder', path.slice(0, cut)), `${path.slice(0, cut)}/`, { title: 'Photos of this folder' }),
    element('strong', {}, path.slice(cut + 1)));
}

// others are the captions that the model did not choose. take(text), if given,
// makes one of them the photo's.
export function others(photo, take) {
  const captions = (photo.others ?? []).map((other) => other.text ?? other);
  return captions.map((text) => element('li', {},
    element('span', {}, text),
    take && element('button', { type: 'button', class: 'quiet', 'aria-label': `Use: ${text}`, onclick: () => take(text) }, 'Use')));
}

// looks are the words for what the picture looks like, as searches.
export function looks(photo, address) {
  return (photo.looks_like ?? []).map(({ word, probability }) => {
    const item = element('li', {}, element('a', { href: address({ q: word }) }, word,
      element('span', { class: 'share' }, percent(probability))));
    item.style.setProperty('--share', probability);
    return item;
  });
}
