// Turns what the API gives into what people read.

const numbers = new Intl.NumberFormat('en');
export const number = (n) => numbers.format(n);

// count is "1 photo" or "2,300 photos".
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export const percent = (p) => `${Math.round(p * 100)} %`;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// marked is a caption with the words that were asked for in <mark>.
export function marked(caption, marks = []) {
  return parted(caption, marks, (text) => {
    const mark = document.createElement('mark');
    mark.textContent = text;
    return mark;
  });
}

// parted is a text in which spans, in bytes of UTF-8, are replaced by what make
// makes of them and of their number.
export function parted(text, spans, make) {
  if (spans.length === 0) return [text];
  const bytes = encoder.encode(text);
  const part = (start, end) => decoder.decode(bytes.subarray(start, end));
  const parts = [];
  let at = 0;
  spans.forEach(({ start, end }, i) => {
    parts.push(part(at, start), make(part(start, end), i));
    at = end;
  });
  return [...parts, part(at)].filter((one) => one !== '');
}

// The camera's clock is shown as it stood, wherever the reader is: it is
// written as if it were UTC, and read so.
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
const months = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });

// taken is when a photo was taken, of RFC 3339; -00:00 is an unknown offset.
export function taken(text) {
  const [, day, time, zone] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?(.*)$/.exec(text) ?? [];
  if (!day) return text;
  const offset = zone === '-00:00' ? '' : ` (UTC${zone === 'Z' || zone === '+00:00' ? '' : zone})`;
  const at = new Date(`${day}T00:00:00Z`);
  return `${weekday.format(at)}, ${date.format(at)}, ${time}${offset}`;
}

// month is "May 2019" of "2019-05".
export const month = (text) => months.format(new Date(`${text}-01T00:00:00Z`));

// exposure is "1/125 s, f/2.8, ISO 400, 35 mm", as far as it is known.
export function exposure(photo) {
  const seconds = photo.exposure_time;
  const round = (x) => String(Math.round(x * 10) / 10);
  return [
    seconds && (seconds < 0.3 ? `1/${Math.round(1 / seconds)} s` : `${round(seconds)} s`),
    photo.f_number && `f/${round(photo.f_number)}`,
    photo.iso && `ISO ${photo.iso}`,
    photo.focal_length && `${round(photo.focal_length)} mm`,
  ].filter(Boolean).join(', ');
}

// duration is about how long something takes.
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// ago is about how long something is past.
export function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  return seconds < 45 ? 'just now' : `${duration(seconds)} ago`;
}
