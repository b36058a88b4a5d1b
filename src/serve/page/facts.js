// The file and the daemon: what holds for all targets.

/** What is shown in words of its own; what a newer daemon tells beside it is shown as it is. */
const TOLD = ["schema", "version", "host", "now", "paused", "paused_accounts", "config", "held", "targets", "warnings",
  "account_settings", "http", "stretch", "source", "hosts"];

function showFacts(status) {
  const { warnings } = status;
  const list = find("warnings");
  list.dataset.of = "li";
  renew(list, warnings, ({ account, say }) => `${account} ${say}`, ({ account, say }) => [
    account === null ? null : make("b", {}, `${account}: `),
    ...sentence(say),
  ].filter((part) => part !== null));
  hide(list, warnings.length === 0);
  define(find("facts"), factsOf(status));
}

/** Names and values; a value is a list of text, times (`{ at }`, `{ since }`), code (`{ code }`). */
function define(parent, rows) {
  parent.dataset.of = "div";
  renew(parent, rows, ([name]) => name, ([name, ...values]) => [make("dt", {}, name), make("dd", {}, values.map(valueOf))]);
}

function valueOf(value) {
  if (value === null) return null;
  if (typeof value === "string") return sentence(value);
  if (value.code !== undefined) return make("code", {}, value.code);
  if (value.since !== undefined) return [utc(value.since), " (", age(value.since), ")"];
  const { at, words } = value;
  return at === null ? null : dated(at, words);
}

function factsOf(status) {
  const { config, paused, paused_accounts: pausedAccounts, held, account_settings: settings, http, stretch, source } = status;
  const { generation, commit, sha256, loaded_at: loadedAt, problem, path, next } = config;
  const rows = [];
  rows.push(["Revision", String(generation), next === null ? null : `; revision ${next} is being taken up`]);
  const file = path === null ? [] : [{ code: path }, ": "];
  if (problem !== null) rows.push(["File", ...file, `REFUSED, nothing is changed: ${problem}`]);
  else rows.push(["File", ...file, "the newest content is good"]);
  if (loadedAt !== null) rows.push(["Accepted", { at: loadedAt, words: ago }]);
  rows.push(["Commit", commit === null ? "not known: no directory is named after it" : { code: commit }]);
  rows.push(["SHA-256", sha256 === "" ? "-" : { code: sha256 }]);
  if (source !== null) {
    rows.push(["Brought from git", { at: source.last_success_at, words: ago }, ", at ", { code: source.commit }]);
  }
  if (paused !== null) rows.push(["Paused: everything", ...pauseOf(paused)]);
  for (const [account, one] of Object.entries(pausedAccounts)) rows.push([`Paused: ${account}`, ...pauseOf(one)]);
  if (held !== null) {
    const entry = ({ account, scope, live, desired, cause }) => `${account} ${scope}: ${live} -> ${desired} (${cause})`;
    rows.push(["Held plan", { code: held.hash }, `: ${held.plan.map(entry).join("; ")}`]);
  }
  const pace = stretch > 1
    ? `looks come after ${stretch.toFixed(1)} times their interval, for the budget of requests does not suffice: write a ` +
      "longer `check_every`, spread the accounts over hosts, or raise --requests-per-second"
    : "looks come when the file wants them: the budget of requests suffices";
  rows.push(["Pace", pace, ` (stretch ${stretch})`]);
  rows.push(["Exchange", http === null ? "has not answered yet" : `answers over ${http}`]);
  for (const [words, names] of bySettings(settings)) rows.push([`Settings of ${names.join(", ")}`, words]);
  for (const { host, lives, ended, unknown_since: unknown, seen_at: at, started_at: startedAt, version, generation, commit } of status.hosts ?? []) {
    const gone = (unknown ?? null) !== null ? "NOT KNOWN here, last seen " : ended ? "has ended, " : "SILENT, last seen ";
    const how = lives ? ["lives, since ", { at: startedAt }] : [gone, { at, words: ago }];
    const force = generation === null ? "" : `, has revision ${generation}${commit === null ? "" : ` ${short(commit)}`} in force`;
    rows.push([`Host ${host}`, ...how, `${force}, posmoded ${version}`]);
  }
  const more = Object.entries(status).filter(([name]) => !TOLD.includes(name));
  for (const [name, value] of more) rows.push([name, JSON.stringify(value)]);
  if (status.host !== null) rows.push(["Host", status.host]);
  rows.push(["posmoded", `version ${status.version}, schema ${status.schema} of its JSON`]);
  return rows;
}

/** By whom, since when, until when, and why. */
function pauseOf({ reason, who, since, until }) {
  const by = (who ?? null) === null ? "" : `by ${who} `;
  const end = until === null ? [", until somebody resumes it"] : [", ends ", { at: until, words: coming }];
  return [`${by}since `, { since }, ...end, `: ${reason}`];
}

/** Accounts with the same settings share a line. */
function bySettings(settings) {
  const all = new Map();
  for (const [account, { account_level: level, asset_mode: asset, stp_mode: stp, ...more }] of Object.entries(settings)) {
    const told = [`level ${shown(level)}`, `asset mode ${shown(asset)}`, `STP mode ${shown(stp)}`];
    told.push(...Object.entries(more).map(([name, value]) => `${name} ${JSON.stringify(value)}`));
    const words = told.join(", ");
    all.set(words, [...(all.get(words) ?? []), account]);
  }
  return all;
}
