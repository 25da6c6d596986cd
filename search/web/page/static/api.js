// Speaks with the server. What it refuses comes as a Problem, whose message is
// for people.

export class Problem extends Error {
  constructor(status, { detail = '', code = '', at = 0 } = {}, retryAfter = 0) {
    super(detail || `the server answered with ${status}`);
    this.status = status;
    this.code = code;
    this.at = at; // place in a query, counted in characters from 1
    this.retryAfter = retryAfter; // seconds
  }
}

const unreachable = { detail: 'shoebox does not answer. Is it still running?', code: 'unreachable' };

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { Accept: 'application/json', ...options.headers } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, unreachable);
  }
  if (response.status === 401) {
    const here = location.pathname + location.search;
    location.assign(`/login?${new URLSearchParams({ next: here })}`);
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem, Number(response.headers.get('Retry-After')) || 0);
}

// get asks; undefined parameters are left out.
export function get(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  const asked = new URLSearchParams(given).toString();
  return call(asked ? `${path}?${asked}` : path, { signal });
}

// send changes something; the body is JSON.
export function send(method, path, body) {
  return call(path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
}

// upload sends a file as a form would.
export function upload(path, file, signal) {
  const form = new FormData();
  form.append('file', file);
  return call(path, { method: 'POST', body: form, signal });
}

export const search = (parameters, signal) => get('/api/search', parameters, signal);
export const photo = (id, signal) => get(`/api/photos/${id}`, {}, signal);
export const editCaption = (id, caption) => send('PATCH', `/api/photos/${id}`, { caption });
export const status = () => get('/api/status');
export const thumb = (id) => `/photos/${id}/thumb`;
export const preview = (id) => `/photos/${id}/preview`;
export const original = (id) => `/photos/${id}/original`;

// follow tells of the status whenever it changes, while somebody sees the page.
export function follow(onStatus, onProblem) {
  let events;
  const read = (event) => JSON.parse(event.data);
  const start = () => {
    if (document.hidden || events) return;
    events = new EventSource('/api/events');
    events.addEventListener('status', (event) => onStatus(read(event)));
    events.addEventListener('problem', (event) => onProblem(new Problem(0, read(event))));
    events.onerror = () => {
      onProblem(new Problem(0, unreachable));
      if (events?.readyState === EventSource.CLOSED) {
        events = undefined;
        setTimeout(start, 5000);
      }
    };
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      events?.close();
      events = undefined;
    }
    start();
  });
  start();
}
