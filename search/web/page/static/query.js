// Reads the text of a query as far as a page has to: which filters are in it,
// and what it is with one more or one less. The server alone says what a query
// means and whether it can be read; what is not understood here stays as it is.

const quotes = '"\u201c\u201d\u201e';
const isSpace = (character) => /\s/u.test(character);

// clauses cuts a query at its spaces, but not within quotes or parentheses.
export function clauses(text) {
  const found = [];
  let current = '';
  let depth = 0;
  let quoted = false;
  for (const character of text) {
    if (quotes.includes(character)) quoted = !quoted;
    else if (!quoted && character === '(') depth++;
    else if (!quoted && character === ')') depth--;
    if (isSpace(character) && !quoted && depth <= 0) {
      if (current) found.push(current);
      current = '';
    } else {
      current += character;
    }
  }
  return current ? [...found, current] : found;
}

const join = (parts) => parts.filter(Boolean).join(' ');

// field is what stands before the colon of a filter, without a minus; '' where
// there is none.
export function field(clause) {
  return /^-?([a-z]+):/iu.exec(clause)?.[1].toLowerCase() ?? '';
}

// filters are the clauses that are shown one by one, to be taken away again.
// With an OR beside them none is: without it the OR would mean something else.
export function filters(text) {
  const all = clauses(text);
  if (all.includes('OR')) return [];
  return all.filter((clause) => (field(clause) && field(clause) !== 'sort') || /^[-@]/u.test(clause));
}

// without is a query without one of its clauses.
export function without(text, clause) {
  const all = clauses(text);
  const place = all.indexOf(clause);
  return join(all.filter((_, i) => i !== place));
}

// withFilter is a query with one more filter. There is one of taken: at a time;
// the same filter twice is once.
export function withFilter(text, filter) {
  const name = field(filter);
  let rest = clauses(text).filter((clause) => clause !== filter);
  const order = rest.filter((clause) => field(clause) === 'sort');
  rest = rest.filter((clause) => field(clause) !== 'sort');
  if (rest.includes('OR')) return join([`(${join(rest)})`, filter, ...order]);
  if (name === 'taken') rest = rest.filter((clause) => field(clause) !== name || clause.startsWith('-'));
  return join([...rest, filter, ...order]);
}

// order is how a query sorts: relevance, date, oldest or name. Every photo is
// sorted by date.
export function order(text) {
  const all = clauses(text);
  const sort = all.find((clause) => field(clause) === 'sort');
  if (sort) return sort.slice('sort:'.length).toLowerCase();
  return all.length === 0 ? 'date' : 'relevance';
}

// ordered is a query in another order.
export function ordered(text, wanted) {
  const rest = join(clauses(text).filter((clause) => field(clause) !== 'sort'));
  return order(rest) === wanted ? rest : join([rest, `sort:${wanted}`]);
}

// named is a filter for a name: camera:"Canon EOS 5D". Quotes cannot stand in
// one; what parts words does as well.
export function named(name, value) {
  return `${name}:"${value.replace(/["\u201c\u201d\u201e]/gu, ' ')}"`;
}

// address is that of a query's page.
export function address({ q = '', similar = false } = {}) {
  const parameters = new URLSearchParams();
  if (q.trim()) parameters.set('q', q.trim());
  if (similar) parameters.set('similar', '1');
  const text = parameters.toString();
  return text ? `/?${text}` : '/';
}
