// What is shown where, and what becomes of clicks and keys.

/** All that was told: the newest status, the newest events, the spans. */
const known = { status: null, states: "", events: [], fresh: [], troubleOfEvents: null, askedAt: 0, askedOfOpenAt: 0 };

const live = new Live({
  status: hearStatus,
  history: hearHistory,
  opened: askHistory,
  polled: () => Date.now() - known.askedAt > READ_AGAIN && askHistory(),
  link: showLink,
});

function hearStatus(status) {
  clock.hear(status.now);
  known.status = withKnown(status);
  const states = JSON.stringify(status.targets.map((target) => [nameOf(target), target.state]));
  if (states !== known.states) {
    known.states = states;
    askAboutOpen();
  }
  show();
  showLink();
}

/** The same status, with targets that are as before being the very same objects. */
function withKnown(status) {
  const before = new Map((known.status?.targets ?? []).map((target) => [nameOf(target), target]));
  const same = (target) => {
    const old = before.get(nameOf(target));
    return old !== undefined && JSON.stringify(old) === JSON.stringify(target) ? old : target;
  };
  return { ...status, targets: ordered(status.targets.map(same)) };
}

/** Accounts in the order in which people count: desk-2 before desk-10. */
const places = { of: new Map(), compare: new Intl.Collator("en", { numeric: true }).compare };

function ordered(targets) {
  if (!targets.every(({ account }) => places.of.has(account))) {
    const names = [...new Set(targets.map(({ account }) => account))].sort(places.compare);
    places.of = new Map(names.map((name, index) => [name, index]));
  }
  return targets.sort((one, other) => places.of.get(one.account) - places.of.get(other.account));
}

function show() {
  const { status } = known;
  if (status === null) return;
  const { all, counts } = showCauses(status);
  showMatrix(status);
  showFacts(status);
  showDetail(status);
  showCount(status, counts, all);
  write(find("host"), status.host === null ? "" : ` on ${status.host}`);
  growAges();
  write(find("summary"), summary(status, counts));
}

/** How many want a human: in the title, in the icon, and to those who listen. */
function showCount({ host }, counts, all) {
  const ofHuman = all.filter((cause) => cause.section === "human");
  const count = counts.human + counts.accounts + counts.others.length;
  known.name = host === null ? "posmoded" : `posmoded on ${host}`;
  known.title = count === 0 ? `${known.name}: nothing wants a human` : `${counted(count, "wants", "want")} a human: ${known.name}`;
  known.colour = count > 0 ? "b3261e" : counts.passes > 0 ? "b87a00" : "1b7f45";
  const heard = `${title("human", counts, ofHuman)}, ${counted(counts.passes, "waits", "wait")} for what passes by itself.`;
  write(find("heard"), heard);
}

function showLink() {
  const silent = live.silentSince();
  const link = find("link");
  document.body.classList.toggle("old", silent !== null);
  const banner = find("banner");
  if (silent !== null) {
    const since = live.heard === null ? "" : ` since ${utc(silent)} (${spell(Date.now() - silent)})`;
    write(banner, `No word from posmoded${since}: ${live.heard === null ? "nothing is known here" : "what stands here is old"}.`);
    write(link, "no word");
  } else if (known.status !== null) {
    write(link, live.isStreaming() ? "live" : "asked every 2 s");
    link.title = live.isStreaming() ? "Every change is shown within a second or two" : "All streams of the daemon are taken: it is asked every 2 s";
  }
  link.className = silent !== null ? "old" : live.isStreaming() ? "live" : "";
  hide(banner, silent === null);
  const now = silent === null ? (known.title ?? "posmoded") : `no word: ${known.name ?? "posmoded"}`;
  if (document.title !== now) document.title = now;
  const colour = silent === null ? (known.colour ?? "888888") : "888888";
  if (find("icon").dataset.colour !== colour) {
    find("icon").dataset.colour = colour;
    find("icon").href =
      `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='3.5' fill='%23${colour}'/%3E%3C/svg%3E`;
  }
}

/** Reads of the ledger are not asked for more often, and where nothing is new, as seldom as that: strips go on. In ms. */
const READ_AGAIN = 10000;
const READ_ANYHOW = 30000;

/** The events before those that the stream tells; where there is no stream, those since. */
async function askHistory() {
  known.askedAt = Date.now();
  known.fresh = [];
  try {
    const page = await answer(`/api/history?limit=${KEPT}`);
    known.troubleOfEvents = null;
    // Whatever was known before: the ledger may be another one.
    hearEvents(merged(page.events, known.fresh, KEPT));
  } catch (error) {
    known.troubleOfEvents = error.message;
    showChanges();
  }
}

function hearHistory(page) {
  if (page.more) {
    askHistory();
    return;
  }
  known.fresh.push(...page.events);
  hearEvents(merged(known.events, page.events, KEPT));
}

function hearEvents(events) {
  const before = known.events[0]?.id ?? 0;
  known.events = events;
  showChanges();
  if (events.some(({ id, account }) => id > before && open.name?.startsWith(`${account}/`))) askAboutOpen();
}

function showChanges() {
  const { events, troubleOfEvents } = known;
  showEvents(find("changes-rows"), events);
  hide(find("changes"), events.length === 0);
  const say = troubleOfEvents ?? (events.length === 0 ? "Nothing yet." : "");
  write(find("changes-trouble"), say);
  hide(find("changes-trouble"), say === "");
}

/** Asks for history and spans of the target that is open; again at the earliest after some seconds, for it costs reads. */
async function askAboutOpen() {
  const { name } = open;
  if (name === null || known.isWaiting === name) return;
  known.isWaiting = name;
  const wait = open.events === null ? 0 : Math.max(0, known.askedOfOpenAt + READ_AGAIN - Date.now());
  await new Promise((over) => setTimeout(over, wait));
  known.isWaiting = null;
  if (open.name !== name) return;
  known.askedOfOpenAt = Date.now();
  const [account, scope] = name.split("/");
  const ask = encodeURIComponent(account);
  const [page, spans] = await Promise.allSettled([
    answer(`/api/history?account=${ask}&limit=${OF_A_TARGET}`),
    answer(`/api/spans?account=${ask}`),
  ]);
  if (open.name !== name) return;
  const isOfIt = (event) => event.scope === null || event.scope === scope;
  open.noEvents = page.reason?.message ?? null;
  open.noSpans = spans.reason?.message ?? null;
  if (page.value !== undefined) open.events = merged([], page.value.events.filter(isOfIt), OF_A_TARGET);
  if (spans.value !== undefined) open.spans = spans.value;
  show();
}

function openTarget(name) {
  if (open.name === name) return;
  const before = open.name;
  Object.assign(open, { name, ...UNASKED });
  writeFragment(name !== null && before === null);
  show();
  askAboutOpen();
}

/** What is shown stands in the address, to be sent to somebody else. */
function writeFragment(isNew) {
  const words = new URLSearchParams();
  if (sieve.show !== "all") words.set("show", sieve.show);
  if (sieve.search !== "") words.set("search", sieve.search);
  if (open.name !== null) words.set("target", open.name);
  const fragment = words.size === 0 ? location.pathname : `#${String(words).replaceAll("%2F", "/")}`;
  if (isNew) history.pushState(null, "", fragment);
  else history.replaceState(null, "", fragment);
}

function readFragment() {
  const words = new URLSearchParams(location.hash.slice(1));
  const wanted = words.get("show");
  sieve.show = ["human", "problems"].includes(wanted) ? wanted : "all";
  sieve.search = words.get("search") ?? "";
  const form = find("sieve");
  form.elements.show.value = sieve.show;
  if (find("search").value !== sieve.search) find("search").value = sieve.search;
  const name = words.get("target");
  if (open.name !== name) Object.assign(open, { name, ...UNASKED });
  show();
  askAboutOpen();
}

function followSieve() {
  sieve.show = find("sieve").elements.show.value;
  sieve.search = find("search").value.trim();
  writeFragment(false);
  show();
}

const THEMES = ["auto", "dark", "light"];

function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  write(find("theme"), `Theme: ${theme}`);
}

function keptTheme() {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem("theme")) ?? "auto";
  } catch {
    // A browser may keep nothing.
    return "auto";
  }
}

find("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % THEMES.length];
  showTheme(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It is kept until the page is left.
  }
});
find("sieve").addEventListener("input", followSieve);
find("sieve").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  const target = event.target.closest?.("button.target");
  if (target) openTarget(target.dataset.target);
  // Beside the panel is what is behind it.
  else if (event.target === find("detail")) openTarget(null);
});
document.addEventListener("pointerover", (event) => {
  if (event.target.matches?.("time.age")) tellTime(event.target);
});
find("detail").addEventListener("close", () => {
  const name = open.name;
  // Another one may have been opened since.
  if (name === null || find("detail").open) return;
  openTarget(null);
  // Where the page was opened with a target, nothing had the focus before.
  if (document.activeElement === document.body) find("matrix-rows").querySelector(`[data-target="${CSS.escape(name)}"]`)?.focus();
});
// Told of each row: whether it is on the screen, or near.
find("matrix-rows").addEventListener("contentvisibilityautostatechange", (event) => {
  event.target.isOnScreen = !event.skipped;
  if (!event.skipped) grow(event.target.getElementsByClassName("age"));
});
find("matrix-rows").addEventListener("focusin", (event) => rove(event.target));
find("matrix-rows").addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const next = event.target.matches(".target") ? neighbour(event.target, event.key) : undefined;
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input") || find("detail").open) return;
  event.preventDefault();
  find("search").focus();
});
new ResizeObserver(fit).observe(find("matrix-section"));
addEventListener("hashchange", readFragment);
addEventListener("popstate", readFragment);
setInterval(() => {
  growAges();
  if (open.name !== null && Date.now() - known.askedOfOpenAt > READ_ANYHOW) askAboutOpen();
}, 1000);

showTheme(keptTheme());
readFragment();
live.begin();
