// Says what somebody who sees photos, or none, should know: nothing is indexed
// yet, nothing was found, search is behind, nobody works, a query cannot be
// read. Each with what to do.
import { byID, element } from './dom.js';
import { address } from './query.js';
import { count, duration, number } from './text.js';

const code = (text) => element('code', {}, text);
const line = (...parts) => element('p', {}, ...parts);

// showNotices says how the library is doing; status is that of the API, if it
// is known, and answer that of the search.
export function showNotices(status, answer) {
  const lines = [];
  if (answer?.building) {
    lines.push(line(answer.building.photos > 0
      ? `The search index is being built again: ${count(answer.building.photos, 'photo')} so far, more appear as they come.`
      : 'The search index is being built: photos appear as they come.'));
  }
  if (status?.database_problem) {
    lines.push(line('The database does not answer, so captions cannot be changed. What search knows is shown. ', code('shoebox doctor'), ' says what is wrong.'));
  } else if (status) {
    lines.push(...ofWork(status), ...ofIndex(status, answer));
  }
  const notices = byID('notices');
  if (notices.textContent !== lines.map((one) => one.textContent).join('')) notices.replaceChildren(...lines);
}

function ofWork({ files, workers, per_second: rate, seconds_left: left, paused_since: paused }) {
  const waiting = files.pending + files.leased;
  if (waiting === 0) return [];
  if (paused) {
    return [line(`${count(waiting, 'photo waits', 'photos wait')} for a caption: the work is paused. `, element('a', { href: '/library' }, 'Resume it'))];
  }
  if (workers.length === 0) {
    return [line(`${count(waiting, 'photo waits', 'photos wait')} for a caption and nothing works on them. Start `, code('shoebox watch'), ' or run ', code('shoebox index'), ' again.')];
  }
  const speed = rate > 0 ? `, ${rate.toFixed(1)} a second` : '';
  const end = left ? `, about ${duration(left)} left` : '';
  return [line(`Captioning: ${number(waiting)} to go${speed}${end}. `, element('a', { href: '/library' }, 'Watch it'))];
}

function ofIndex({ index, photos }, answer) {
  if (index.problem && !answer?.building) return [line(`Search has a problem: ${index.problem}`)];
  if (!index.behind || answer?.building) return [];
  const missing = photos - index.photos;
  const held = index.held_back_by?.length ? ` It waits for ${index.held_back_by.join(', ')}.` : '';
  return [line(missing > 0
    ? `Search is behind: ${count(missing, 'photo')} cannot be found yet.${held}`
    : `Search is a little behind the newest changes.${held}`)];
}

// showEmpty says why no photo is shown, or none that surely matches, and what
// to do.
export function showEmpty(results, status) {
  const empty = byID('empty');
  const unlikely = results?.length > 0 && results.total === 0 && results.answer.nearest?.length > 0;
  empty.hidden = !results || (results.length > 0 && !unlikely);
  empty.classList.toggle('small', unlikely);
  if (empty.hidden) return;
  if (unlikely) {
    empty.replaceChildren(offersOf(results.answer.nearest));
    return;
  }
  const { answer, asked } = results;
  const known = status && !status.database_problem;
  const noLibrary = known ? status.folders.length === 0 : !answer.building;
  if (asked.q === '' && noLibrary) empty.replaceChildren(...noFolders());
  else if (answer.building) empty.replaceChildren(line('Nothing of this has been indexed so far.'));
  else if (asked.q === '') empty.replaceChildren(...noneYet(status));
  else empty.replaceChildren(...noneFound(answer, asked));
}

const noFolders = () => [
  element('h2', {}, 'No photos yet'),
  line('Tell shoebox where they are. In a terminal:'),
  element('pre', {}, code('shoebox index ~/Pictures')),
  line('Every photo gets a caption and appears here. Photos are only ever read.'),
];

const noneYet = ({ folders, files }) => [
  element('h2', {}, 'No photos can be shown yet'),
  line(`${count(folders.length, 'folder is', 'folders are')} known, with ${count(files.pending + files.leased, 'photo')} waiting and ${number(files.failed + files.unsupported)} that failed. `,
    element('a', { href: '/library' }, 'See the library')),
];

const offersOf = (nearest) => element('ul', { class: 'offers' }, nearest.map((offer) => element('li', {},
  offer.instead ? ['Did you mean ', element('strong', {}, offer.instead), '? '] : 'With fewer words: ',
  element('a', { href: address({ q: offer.query }) }, offer.query), ` (${count(offer.total, 'photo')})`)));

function noneFound({ nearest = [] }, { q, similar }) {
  return [
    element('h2', {}, 'No photo matches'),
    nearest.length > 0 && offersOf(nearest),
    nearest.length === 0 && !similar && line('Fewer words find more. ', element('a', { href: address({ q, similar: true }) }, 'Find photos with any of these words')),
    line(element('a', { href: '/' }, 'Show all photos')),
  ].filter(Boolean);
}

// showProblem says why there is no answer, with the place in the query that
// cannot be read; nothing takes it away.
export function showProblem(error, q = '') {
  const problem = byID('problem');
  problem.hidden = !error;
  if (!error) {
    problem.replaceChildren();
    return;
  }
  const characters = [...q];
  const at = error.at - 1;
  const place = error.at > 0 && q && element('pre', { class: 'query' },
    characters.slice(0, at).join(''),
    element('span', { class: 'here' }, characters[at] ?? ' '),
    characters.slice(at + 1).join(''));
  problem.replaceChildren(...[line(error.message), place].filter(Boolean));
}
