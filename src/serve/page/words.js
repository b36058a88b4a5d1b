// Words and times: the same that `posmoded status` prints.

/** A span in ms as its two largest units, as in `2h 5m`. */
function spell(span) {
  const seconds = Math.max(0, Math.floor(span / 1000));
  const units = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = units.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return units.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => count + unit).join(" ");
}

/** A count with its noun. */
function counted(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** A word or a number of an answer as text; what is absent is a dash. */
function shown(value) {
  return value === null || value === undefined ? "-" : String(value);
}

/** The first seven digits of a commit. */
function short(commit) {
  return commit.slice(0, 7);
}

/** The lists whose rows count, and what one row and more of each are called. */
const LISTS = { positions: ["position", "positions"], orders: ["order", "orders"], plan_orders: ["plan order", "plan orders"] };

/** `BTCUSDT long position`, with what is known of it. */
function sayRow({ symbol, side, kind, ...more }) {
  return [symbol, side, kind.replaceAll("_", " "), ...Object.values(more)].filter((word) => word !== null).join(" ");
}

/** Which lists were not read in the last look: `orders and plan orders not read`; empty where all were. */
function sayUnread(detail) {
  const unread = Object.entries(LISTS).filter(([name]) => (detail[name] ?? null) === null).map(([, [, many]]) => many);
  return unread.length === 0 ? "" : `${unread.join(", ").replace(/, ([^,]*)$/, " and $1")} not read`;
}

/** What is open, row by row: `open: at least BTCUSDT long position and 2 more (plan orders not read)`; else what was not read. */
function sayOpen(detail) {
  const rows = detail.open ?? [];
  const unread = sayUnread(detail);
  if (rows.length === 0) return unread === "" ? null : unread;
  const count = Object.keys(LISTS).reduce((sum, name) => sum + (detail[name] ?? 0), 0);
  const more = count > rows.length ? ` and ${count - rows.length} more` : "";
  const least = detail.complete ? "" : "at least ";
  return `open: ${least}${rows.map(sayRow).join(", ")}${more}${unread === "" ? "" : ` (${unread})`}`;
}

/** The same of a target that waits for it to be closed. */
function openAt({ blockers, detail }) {
  return blockers.includes("not_flat") ? sayOpen(detail) : null;
}

/** Without what would break a line. */
function plain(text) {
  return text.replace(/\p{Cc}/gu, " ");
}

/** Whether another host looks after it; not so if it is known that nobody does. */
function isElsewhere(target) {
  return target.reason === "elsewhere" && target.wants !== "human";
}

/** Whether this process has not looked at it yet, which is no reason of its own. */
function isNotLookedAtYet(target) {
  return target.state === "unknown" && target.reason === null;
}

/**
 * Whether it stands for its account because nothing seen of it tells its kind: the whole of a unified one has a mode, has had
 * one, or is asked for less than the whole.
 */
function isOfUnknownKind({ scope, live, applied, blockers }) {
  const isSeen = live !== null || applied !== null || blockers.includes("unsatisfiable");
  return scope === "account" && !isSeen;
}

/** The line of the service manager. */
function summary({ config, paused, held, targets }, { human, accounts, passes, changes, toDecide, onPurpose }) {
  const here = targets.filter((target) => !isElsewhere(target));
  const inSync = targets.filter((target) => target.state === "in_sync").length;
  let first = `${inSync}/${here.length} in sync`;
  if (targets.length === 0) first = "no target is known yet";
  else if (here.length === 0) first = `${counted(targets.length, "target", "targets")} of other hosts, none of this one`;
  const commit = config.commit === null ? "" : ` ${short(config.commit)}`;
  const told = [first];
  const kinds = [[human + accounts - toDecide - onPurpose, "now"], [toDecide, "to be decided"], [onPurpose, "stopped on purpose"]];
  const some = kinds.filter(([count]) => count > 0);
  let split = ` (${some.map(([count, kind]) => (some.length === 1 ? kind : `${count} ${kind}`)).join(", ")})`;
  if (some.length === 1 && some[0][1] === "now") split = "";
  if (human + accounts > 0) told.push(`${counted(human + accounts, "wants a human", "want a human")}${split}`);
  if (passes > 0) told.push(counted(passes, "waits", "wait"));
  if (config.problem !== null) told.push("the newest file is REFUSED");
  if (paused !== null) told.push(`PAUSED (${paused.reason})`);
  if (held !== null && changes > 0) told.push(counted(changes, "change held", "changes held"));
  return plain(`rev ${config.generation}${commit}: ${told.join(", ")}`);
}

/** A sentence as parts: text, and what stands in backticks. */
function parts(text) {
  return text.split("`").map((part, index, all) => {
    const isCode = index % 2 === 1 && index < all.length - 1;
    return { isCode, text: isCode || index % 2 === 0 ? part : "`" + part };
  });
}

/** What the sentences of posmoded name to be typed; other code in them is what to write into the file. */
const PROGRAMS = ["posmoded", "systemctl", "journalctl", "chmod", "chown", "df", "install", "openssl", "sysctl", "ulimit"];

/** Reasons whose sentence quotes what somebody else wrote, so that it may name anything, and what it tells to type by itself. */
const QUOTING = { file: [], suspended: [], requirement: [], paused: ["posmoded resume"] };

/** What the sentence of a reason tells to type, each once. */
function commands(text, reason) {
  const own = QUOTING[reason] ?? PROGRAMS;
  const isCommand = ({ isCode, text }) =>
    isCode && text.includes(" ") && own.some((begin) => `${text} `.startsWith(`${begin} `));
  return [...new Set(parts(text).filter(isCommand).map((part) => plain(part.text)))];
}

/** A sentence whose spans and commands stand for those of all that were put together. */
class Sentence {
  constructor(text) {
    this.parts = [];
    for (const word of text.split(" ")) {
      const core = word.replace(/[,.;:)]+$/, "");
      const tail = word.slice(core.length);
      const [program, command] = this.parts.slice(-2).map((part) => part.word);
      if (program === "`posmoded" && ["refresh", "resume"].includes(command) && core.endsWith("`")) {
        // The account of a command that takes several.
        this.parts.push({ names: [core.slice(0, -1)], tail });
        continue;
      }
      const unit = /^(\d+)([dhms])$/.exec(core);
      if (unit === null) {
        this.parts.push({ word });
        continue;
      }
      const length = Number(unit[1]) * { d: 86400e3, h: 3600e3, m: 60e3, s: 1e3 }[unit[2]];
      const before = this.parts.at(-1);
      if (before !== undefined && before.tail === "" && before.least > length) {
        // The second unit of a span.
        before.least += length;
        before.most += length;
        before.written += ` ${core}`;
        before.tail = tail;
      } else {
        this.parts.push({ written: core, least: length, most: length, tail });
      }
    }
  }

  /** Takes `other` in if it differs in spans and in the accounts of commands alone, and tells whether it did. */
  takes(other) {
    const isAlike = (ours, index) => {
      const theirs = other.parts[index];
      const isNamed = (part) => part.names !== undefined;
      return ours.word === theirs.word && ours.tail === theirs.tail && isNamed(ours) === isNamed(theirs);
    };
    if (this.parts.length !== other.parts.length || !this.parts.every(isAlike)) return false;
    for (const [index, ours] of this.parts.entries()) {
      const theirs = other.parts[index];
      if (ours.word !== undefined) continue;
      if (ours.names !== undefined) {
        ours.names = [...new Set([...ours.names, ...theirs.names])].sort();
        continue;
      }
      ours.least = Math.min(ours.least, theirs.least);
      ours.most = Math.max(ours.most, theirs.most);
    }
    return true;
  }

  toString() {
    const told = ({ word, names, written, least, most, tail }) => {
      if (word !== undefined) return word;
      if (names !== undefined) return `${names.join(" ")}\`${tail}`;
      return (least === most ? written : `${spell(least)} to ${spell(most)}`) + tail;
    };
    return this.parts.map(told).join(" ");
  }
}
