// What was done: events of the history, newest first.

/** So many are kept, and shown. */
const KEPT = 50;
/** So many of one target are asked for. */
const OF_A_TARGET = 200;

/** Puts events together by their number; a newer telling of one counts. */
function merged(events, more, most) {
  const all = new Map([...events, ...more].map((event) => [event.id, event]));
  return [...all.values()].sort((one, other) => other.id - one.id).slice(0, most);
}

function showEvents(body, events) {
  body.dataset.of = "tr";
  renew(body, events, ({ id }) => id, ({ at, account, scope, ...rest }) => [
    make("td.when", {}, dated(at, ago)),
    make("td.whose", {}, account === null ? "everything" : [make("b", {}, account), scope === null ? "" : ` ${scope}`]),
    make("td.what", {}, whatOf(rest)),
  ]);
}

/** In the event's own words, then the fields beside them. */
function whatOf({ id, event, generation, cause, from, to, how, text, who, host, ...more }) {
  const beside = [];
  if (from !== null || to !== null) beside.push(`${shown(from)} → ${shown(to)}`);
  if (cause !== null) beside.push(`cause ${cause}`);
  if (how !== null) beside.push(`how: ${how}`);
  if (generation !== null) beside.push(`revision ${generation}`);
  if ((who ?? null) !== null) beside.push(`by ${who}`);
  if ((host ?? null) !== null) beside.push(`on ${host}`);
  beside.push(...Object.entries(more).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${shown(value)}`));
  return [
    make("span.kind", {}, event),
    " ",
    ...sentence(text),
    beside.length === 0 ? "" : make("span.beside", {}, ` ${beside.join(", ")}`),
  ];
}
