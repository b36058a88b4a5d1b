// Who has to act: the targets in sections, and in each by what causes it, as `posmoded status` has them.
//
// A cause is told once, however many targets share it. What a target wants and says is the daemon's; here it is sorted.

const SECTIONS = ["human", "passes", "in_sync", "elsewhere"];
const NEEDS = ["now", "to_be_decided", "stopped_on_purpose"];
const WANTS = [null, "itself", "time", "human"];

function section(target) {
  if (isElsewhere(target)) return "elsewhere";
  if (target.wants === "human") return "human";
  return target.state === "in_sync" ? "in_sync" : "passes";
}

/** The causes in the order in which they are shown: `{ section, wants, label, reason, say, targets }`. */
function causes(status) {
  const wholes = wholesOf(status);
  const found = new Map();
  for (const target of status.targets) {
    const whole = wholes.find((whole) => whole.covers(target)) ?? null;
    const [where, name] = [section(target), label(target)];
    const key = [where, name, whole?.name].join("\n");
    const same = found.get(key) ?? [];
    found.set(key, same);
    const say = target.say === null ? null : new Sentence(target.say);
    const takes = (cause) => (cause.say === null || say === null ? cause.say === say : cause.say.takes(say));
    const cause = same.find((cause) => whole !== null || takes(cause));
    if (cause !== undefined) {
      cause.targets.push(target);
      continue;
    }
    same.push({ section: where, wants: target.wants, label: name, say, targets: [target], whole });
  }
  const all = [...found.values()].flat();
  const told = new Set(all.map((cause) => cause.whole));
  for (const cause of all) {
    if (cause.whole !== null) cause.say = cause.whole.say(status, cause.say);
  }
  for (const whole of wholes.filter((whole) => !told.has(whole))) {
    const where = whole.wants === "human" ? "human" : "passes";
    const say = whole.say(status, null);
    all.push({ section: where, wants: whole.wants, label: whole.reason, say, targets: [], whole });
  }
  for (const warning of status.warnings.filter((warning) => wantsAHuman(status, warning) && !isSaid(status, warning))) {
    const { account } = warning;
    const about = hindered(status, warning);
    const say = new Sentence(warning.say);
    all.push({ section: "human", wants: "human", label: named(about), say, targets: [], whole: null, account, about });
  }
  // What wants a human now comes first, a mode that is wrong before all, then what holds up the most; what somebody has stopped on purpose,
  // and what is not looked at yet, come last.
  const reasonOf = ({ whole, targets }) => targets[0]?.reason ?? whole?.reason ?? null;
  const isDrifted = ({ section, targets }) => section === "human" && targets.some(({ state }) => state === "drifted");
  const rank = (cause) => rankOf(cause, reasonOf(cause));
  const rankOf = (cause, reason) => [
    SECTIONS.indexOf(cause.section),
    cause.section === "in_sync" && cause.wants !== null ? 1 : 0,
    NEEDS.indexOf(needOf(cause)),
    cause.section === "passes" && cause.whole?.account !== undefined ? 1 : 0,
    isDrifted(cause) ? 0 : 1,
    -WANTS.indexOf(cause.wants),
    cause.whole === null ? wholes.length : wholes.indexOf(cause.whole),
    reason === null ? 1000 : Object.keys(REASONS).indexOf(reason),
  ];
  const ranked = all.map((cause) => ({ cause, rank: rank(cause) }));
  ranked.sort((one, other) => {
    const differs = one.rank.findIndex((value, index) => value !== other.rank[index]);
    return differs < 0 ? 0 : one.rank[differs] - other.rank[differs];
  });
  const words = (cause) => (cause.say === null ? null : String(cause.say));
  return ranked.map(({ cause }) => ({ ...cause, reason: reasonOf(cause), say: words(cause) }));
}

/** What is asked of a human by a cause. A pause of everything is never passed over. */
function needOf({ section: where, whole, targets }) {
  if (where !== "human" || whole?.name === "everything") return "now";
  if (targets.length === 0) return whole?.account === undefined ? "now" : "stopped_on_purpose";
  const needs = targets.map(({ need }) => need ?? "now");
  return needs.every((need) => need === needs[0]) ? needs[0] : "now";
}

/** How much there is of what the first two sections show, by the rules of `posmoded status`. */
function tally(status, all) {
  const ofIt = (where) => all.filter((cause) => cause.section === where);
  const targets = (where) => ofIt(where).reduce((sum, cause) => sum + cause.targets.length, 0);
  const bare = (where) => ofIt(where).filter((cause) => cause.targets.length === 0);
  const accounts = bare("human").map(({ whole, account }) => account ?? whole.account).filter((name) => name !== undefined);
  const names = { file: "the file", everything: "the pause", held: "the held plan" };
  const others = bare("human").map(({ whole }) => names[whole?.name]).filter((name) => name !== undefined);
  const warned = new Set(bare("human").map(({ account }) => account));
  const paused = bare("human").filter(({ whole }) => whole?.account !== undefined && !warned.has(whole.account));
  const ofNeed = (wanted) => status.targets.filter(({ need }) => need === wanted).length;
  const toDecide = ofNeed("to_be_decided");
  const onPurpose = ofNeed("stopped_on_purpose") + paused.length;
  const { held } = status;
  const changes = held === null ? 0 : held.plan.filter((entry) => !tellsItItself(status, entry)).length;
  return {
    human: targets("human"), accounts: new Set(accounts).size, others, passes: targets("passes"), pauses: bare("passes").length, changes,
    toDecide, onPurpose,
  };
}

/** `desk-1 USDT-FUTURES, COIN-FUTURES`, of one account. */
function named(targets) {
  return `${targets[0].account} ${targets.map(({ scope }) => scope).join(", ")}`;
}

/** The targets that what is to know of an account may hinder: those that are not in sync. */
function hindered(status, { account }) {
  return status.targets.filter((target) => target.account === account && target.state !== "in_sync" && !isElsewhere(target));
}

/** Whether what is to know of an account stands with what wants a human: it is not in sync, and this may be why. */
function wantsAHuman(status, warning) {
  return hindered(status, warning).length > 0;
}

/** Whether a target of the account was denied for want of the right that the warning is about: both name the same remedy. */
function isSaid(status, { account, say }) {
  const at = say.indexOf(": ");
  const remedy = say.slice(at + 2).split("; ")[0].replace(/\.+$/, "");
  const says = (target) => target.account === account && target.blockers.includes("denied") && (target.say ?? "").includes(remedy);
  return at >= 0 && status.targets.some(says);
}

/** `unreachable (also paused)` where what weighs most is not what is shown. */
function label(target) {
  if (target.reason === null) return isNotLookedAtYet(target) ? "not looked at yet" : null;
  const weight = (reason) => WANTS.indexOf(REASONS[reason] ?? "itself");
  const own = weight(target.reason);
  const isAsked = (reason) => REASONS[reason] === "human" && ASKS[reason] === target.need;
  // The one that is shown may want nobody, or less.
  const isLess = target.wants === "human" && !isAsked(target.reason);
  const isHeavier = (other) => (WANTS.indexOf(target.wants) > own && weight(other) > own) || (isLess && isAsked(other));
  const also = target.blockers.filter(isHeavier);
  return also.length === 0 ? target.reason : `${target.reason} (also ${also.join(", ")})`;
}

/** What the status tells that holds up more than one target, and what ends it. */
function wholesOf(status) {
  const { config, paused, paused_accounts: accounts, held } = status;
  const ends = (pause) => (pause.until === null ? "human" : "time");
  const wholes = [];
  // Another host has a file and a held plan of its own.
  const isOurs = ({ host }) => (host ?? null) === null;
  const add = (name, reason, wants, say, isIts, account) => {
    wholes.push({ name, reason, wants, say, account, covers: (target) => target.reason === reason && isIts(target) });
  };
  if (config.problem !== null) {
    const told = `The newest content of the file is REFUSED, and nothing is changed until that is mended: ${config.problem}`;
    add("file", "file", "human", () => told, isOurs);
  }
  if (paused !== null) {
    const say = ({ now }) => sayPaused("Everything", paused, now, "posmoded resume");
    add("everything", "paused", ends(paused), say, () => true);
  }
  for (const [account, pause] of Object.entries(accounts)) {
    const say = ({ now }) => sayPaused(account, pause, now, `posmoded resume ${account}`);
    add(`account ${account}`, "paused", ends(pause), say, (target) => target.account === account, account);
  }
  if (held !== null && !held.plan.every((entry) => tellsItItself(status, entry))) {
    add("held", "held", "human", (status, ofTarget) => sayHeld(status, held, ofTarget), isOurs);
  }
  return wholes;
}

function sayPaused(what, { reason, who, since, until }, now, resume) {
  const by = (who ?? null) === null ? "" : ` by ${who}`;
  const age = spell(Date.parse(now) - Date.parse(since));
  const end = until === null ? "" : `until ${until}, or `;
  return `${what} is PAUSED${by} since ${since} (${age}), ${end}until \`${resume}\`: ${reason}`;
}

/** Whether the target of this entry tells itself how the plan is approved: what is only reported does, also where a pause comes first. */
function tellsItItself(status, { account, scope }) {
  const isIts = (target) => target.account === account && target.scope === scope;
  return status.targets.some(
    (target) => isIts(target) && target.reason !== "held" && target.blockers.includes("reported"),
  );
}

/** `ofTarget` is what one of the targets that wait for it says. */
function sayHeld(status, held, ofTarget) {
  const waits = `${counted(held.plan.length, "change waits", "changes wait")} for \`posmoded approve ${held.hash}\``;
  const reports = held.plan.filter((entry) => tellsItItself(status, entry));
  const isShown = (entry) =>
    reports.includes(entry) ||
    status.targets.some(
      (target) => target.reason === "held" && target.account === entry.account && target.scope === entry.scope,
    );
  if (ofTarget !== null && held.plan.every(isShown)) {
    const say = String(ofTarget);
    const said = `\`posmoded approve ${held.hash}\`.`;
    const at = say.indexOf(said);
    const rest = at < 0 ? say : say.slice(at + said.length);
    const reported = reports.length === 0 ? "" : `, ${reports.length} of them only reported`;
    return `${waits}${reported}: \`max_changes\` lets no more go within the hour. ${rest.trimStart()}`.trimEnd();
  }
  const entry = ({ account, scope, live, desired, cause }) => `\n  ${account} ${scope}: ${live} -> ${desired} (${cause})`;
  return `${waits}:${held.plan.map(entry).join("")}`;
}
