// The library page: how the work is going, told by the server as it changes;
// folders; what failed; and whose captions there are.
import * as api from './api.js';
import { byID, element } from './dom.js';
import { ago, count, duration, number } from './text.js';

const readOnly = Boolean(document.body.dataset.readOnly);
let failed; // how many there were when they were last asked for

function showStatus(status) {
  const { files } = status;
  byID('trouble').hidden = !status.database_problem;
  byID('trouble').textContent = status.database_problem ? `The database does not answer: ${status.database_problem}` : '';
  showWork(status);
  showFigures(status);
  showFolders(status.folders);
  showModels(status);
  const failures = files.failed + files.unsupported;
  if (failures !== failed && !status.database_problem) {
    failed = failures;
    showFailures();
  }
}

function showWork({ files, workers, per_second: rate, seconds_left: left, index, photos, paused_since: paused, database_problem: away }) {
  const waiting = files.pending + files.leased;
  const done = files.done + files.failed + files.unsupported;
  const progress = byID('progress');
  progress.hidden = waiting === 0;
  progress.max = waiting + done;
  progress.value = done;
  byID('now').replaceChildren(...(() => {
    if (away) return [`Search knows ${count(index.photos, 'photo')}.`];
    if (paused) return [`Paused ${ago(paused)}: ${waiting > 0 ? `${count(waiting, 'file waits', 'files wait')} until you resume` : 'nothing waits, and nothing new is taken up'}.`];
    if (waiting > 0 && workers.length > 0) {
      return [`${number(waiting)} of ${number(waiting + done)} files to go`, rate > 0 && `, ${rate.toFixed(1)} photos a second`, left && `, about ${duration(left)} left`].filter(Boolean);
    }
    if (waiting > 0) return [`${count(waiting, 'file waits', 'files wait')} and nothing works on them. Start `, element('code', {}, 'shoebox watch'), '.'];
    if (done === 0) return ['Nothing is indexed yet. Start with ', element('code', {}, 'shoebox index ~/Pictures'), '.'];
    return ['Up to date: nothing waits.'];
  })());
  const pause = byID('pause');
  pause.hidden = readOnly || Boolean(away) || (waiting + done === 0 && !paused);
  pause.textContent = paused ? 'Resume' : 'Pause';
  pause.disabled = false;
  const notes = workers.map((worker) => `Worker ${worker.pid} on ${worker.machine}: ${count(worker.leases, 'file')} in hand, ${worker.per_second.toFixed(1)} a second.`);
  if (index.problem) notes.push(`Search: ${index.problem}.`);
  else if (index.behind) notes.push(`Search is behind: it knows ${number(index.photos)} of ${number(photos)} photos.`);
  byID('work').textContent = notes.join(' ');
}

function showFigures({ photos, unsure, edited, files }) {
  const figures = [
    ['photos captioned', photos], ['of them unsure', unsure], ['captions by you', edited],
    ['files waiting', files.pending + files.leased], ['failed', files.failed + files.unsupported], ['missing', files.missing],
  ];
  byID('figures').replaceChildren(...figures.map(([name, n]) => element('div', { class: n ? '' : 'none' },
    element('dt', {}, name), element('dd', {}, number(n ?? 0)))));
}

const watched = {
  no: 'not watched', watched: 'watched', partly: 'watched in part', polled: 'looked at now and then',
};

function showFolders(folders) {
  const head = ['Folder', 'Captioned', 'Waiting', 'Failed', 'Missing', 'Watched', 'Last full look'];
  const rows = folders.map((folder) => element('tr', {},
    element('th', { scope: 'row' }, folder.path,
      !folder.present && element('p', { class: 'bad' }, 'not there now'),
      folder.problem && element('p', { class: 'bad' }, folder.problem),
      folder.watch_reason && element('p', { class: 'note' }, folder.watch_reason)),
    ...[folder.done, folder.pending + folder.leased, folder.failed + folder.unsupported, folder.missing].map((n) => element('td', { class: 'figure' }, number(n))),
    element('td', {}, watched[folder.watch] ?? folder.watch),
    element('td', {}, folder.scanned_at ? ago(folder.scanned_at) : 'never')));
  byID('folders').replaceChildren(folders.length > 0
    ? table('Folders', head, rows)
    : element('p', { class: 'note' }, 'None. ', element('code', {}, 'shoebox index DIR'), ' adds one.'));
}

function showModels({ models, older }) {
  const rows = models.map((model) => element('tr', {},
    element('th', { scope: 'row' }, model.name, ' ', element('code', { title: model.hash }, model.hash.slice(0, 8))),
    element('td', { class: 'figure' }, number(model.captions)),
    element('td', {}, new Date(model.first_seen).toLocaleDateString('en-GB', { dateStyle: 'medium' }))));
  byID('models').replaceChildren(models.length > 0
    ? table('Captions by model', ['Model', 'Captions', 'First used'], rows)
    : element('p', { class: 'note' }, 'No captions yet.'));
  byID('recaption').hidden = readOnly || older === 0;
  byID('recaption').textContent = `Write ${count(older, 'older caption')} anew`;
}

// A wide table scrolls by itself on a small screen, also with keys.
function table(name, head, rows) {
  return element('div', { class: 'scrolls', role: 'region', 'aria-label': name, tabIndex: 0 },
    element('table', {},
      element('thead', {}, element('tr', {}, head.map((text) => element('th', { scope: 'col' }, text)))),
      element('tbody', {}, rows)));
}

async function showFailures(after = '') {
  try {
    const { failures, next } = await api.get('/api/failures', { after });
    const items = failures.map(failure);
    if (after) byID('failures').append(...items);
    else byID('failures').replaceChildren(...items);
    // What the server says next shows whether it is so.
byID('pause').addEventListener('click', () => {
  const paused = byID('pause').textContent === 'Pause';
  byID('pause').disabled = true;
  say('pause-result', async () => {
    await api.send('PUT', '/api/paused', { paused });
    return paused ? 'Workers finish what they have in hand and take nothing new, on other machines too.' : '';
  }).finally(() => { byID('pause').disabled = false; });
});
byID('retry-all').hidden = readOnly || byID('failures').childElementCount === 0;
    byID('more-failures').hidden = !next;
    byID('more-failures').onclick = () => showFailures(next);
    if (!after && failures.length === 0) byID('failures').append(element('li', { class: 'note' }, 'None.'));
  } catch (error) {
    byID('failures-result').textContent = error.message;
  }
}

function failure(one) {
  const cut = one.path.lastIndexOf('/') + 1;
  const where = one.path_b64 ? { paths_b64: [one.path_b64] } : { paths: [one.path] };
  const again = one.retry_at ? `, tried again by itself ${new Date(one.retry_at) > new Date() ? `in ${duration((new Date(one.retry_at) - Date.now()) / 1000)}` : 'now'}` : '';
  const item = element('li', {},
    element('div', {},
      element('p', { class: 'file' }, one.path.slice(0, cut), element('strong', {}, one.path.slice(cut))),
      element('p', {}, one.reason),
      element('p', { class: 'note' }, `${one.state === 'unsupported' ? 'not supported' : count(one.attempts, 'attempt')}, ${ago(one.since)}${again}`)),
    !readOnly && element('button', { type: 'button', 'aria-label': `Retry ${one.path.slice(cut)}`, onclick: () => retry(where) }, 'Retry'));
  return item;
}

async function retry(which) {
  await say('failures-result', async () => {
    const { queued } = await api.send('POST', '/api/failures/retry', which);
    showFailures();
    return `${count(queued, 'file')} queued again.`;
  });
}

async function say(where, act) {
  try {
    byID(where).textContent = await act();
  } catch (error) {
    byID(where).textContent = error.message;
  }
}

byID('retry-all').addEventListener('click', () => retry({}));
byID('recaption').addEventListener('click', () => say('recaption-result', async () => {
  const { queued } = await api.send('POST', '/api/recaption', { older_only: true });
  return `${count(queued, 'photo')} queued. What you wrote stays.`;
}));

api.follow(showStatus, (error) => {
  byID('trouble').hidden = false;
  byID('trouble').textContent = error.message;
});
