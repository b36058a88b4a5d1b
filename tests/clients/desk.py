"""What the clients' scripts share: the simulator's control API, the story that each client plays on an account of each
kind, and what is said of it. A client is an object with the methods that `play` calls.
"""
import json
import pathlib
import time
import urllib.request

SYMBOL, PRODUCT = "BTCUSDT", "USDT-FUTURES"
MODES = ("one_way_mode", "hedge_mode")
PLAN_TYPES = ("normal_plan", "track_plan", "profit_loss")
NOT_FLAT = {"classic": "40920", "unified": "25107"}
WRONG_KIND = {"classic": "40084", "unified": "40085"}
OTHER_FORMS = {"emptyList": "empty", "planEndId": "missing", "lastCursor": "missing"}
USUAL_FORMS = {"emptyList": "null", "planEndId": "present", "lastCursor": "present"}


class Simulator:
    def __init__(self, url):
        self.url = url

    def control(self, command, **fields):
        body = json.dumps(fields).encode() if fields else None
        with urllib.request.urlopen(f"{self.url}/control/{command}", body, timeout=10) as answer:
            return json.load(answer)

    def account(self, uid, kind, name, parent):
        """A flat account in hedge mode; one of the same number is gone."""
        self.control("account", uid=uid, kind=kind, apiKey=name, parent=parent)

    def mode(self, uid):
        account = next(account for account in self.control("state")["accounts"] if account["uid"] == uid)
        return account["products"][PRODUCT]["mode"]

    def fill(self, uid):
        """A position, an order of each status and a plan order of each type; gives the numbers of all orders."""
        about = {"uid": uid, "productType": PRODUCT, "symbol": SYMBOL}
        self.control("position/open", holdSide="long", total="0.01", **about)
        orders = [self.control("order/place", status=status, **about) for status in ("live", "partially_filled")]
        plans = [self.control("plan-order/place", planType=kind, **about) for kind in PLAN_TYPES]
        return [sorted(answer["orderId"] for answer in answers) for answers in (orders, plans)]

    def empty(self, uid, orders, plans):
        about = {"uid": uid, "productType": PRODUCT}
        self.control("position/close", symbol=SYMBOL, holdSide="long", **about)
        for order in orders:
            self.control("order/cancel", orderId=order, **about)
        for plan in plans:
            self.control("plan-order/cancel", orderId=plan, **about)


class Report:
    """Prints every step. What known.json has for this client is known to differ, and each of that has to be seen."""

    def __init__(self, client, version):
        self.client, self.version = client, version
        known = json.loads((pathlib.Path(__file__).parent / "known.json").read_text())
        self.known = {entry["where"]: entry for entry in known if entry["client"] == client}
        self.seen, self.undeclared, self.held, self.failed = set(), {}, 0, 0

    def step(self, name, act, expected):
        try:
            got = act()
        except Exception as error:  # Whatever the client throws, the story goes on.
            got = f"{type(error).__name__}: {error}"
        if got == expected:
            self.held += 1
            print(f"held     {self.client} {name}")
        else:
            self.failed += 1
            print(f"FAILED   {self.client} {name}: {got!r}, expected {expected!r}")

    def differs(self, where, what):
        if where in self.seen:
            return
        self.seen.add(where)
        if where in self.known:
            known = self.known[where]
            print(f"differs  {self.client} {where}: {what}: {known['what']} [{known['source']}]")
        else:
            self.failed += 1
            print(f"FAILED   {self.client} {where}: {what}: not in known.json")

    def does_not_declare(self, where, field):
        """A field of an answer that the client has no place for; all of one place are told together, at the end."""
        self.undeclared.setdefault(where, set()).add(field)

    def end(self):
        for where, fields in sorted(self.undeclared.items()):
            self.differs(f"{where}: {', '.join(sorted(fields))}", "not declared")
        for where in sorted(self.known.keys() - self.seen):
            self.failed += 1
            print(f"FAILED   {self.client} {where}: differs no more, and known.json says it does")
        print(f"{self.client} {self.version}: {self.held} steps, {len(self.seen)} differences, {self.failed} failed")
        return 1 if self.failed else 0


def pause():
    """Not every client keeps to the limits by itself."""
    time.sleep(1)


def play(simulator, client, uid, kind, report):
    """`client` knows its account by name, and asks it for the first time here."""
    def step(name, act, expected):
        report.step(f"{kind}: {name}", act, expected)

    for parent, what in ((None, "main account"), (1, "sub-account")):
        pause()
        simulator.account(uid, kind, client.name, parent)
        step(f"whose key, of a {what}", client.owner, str(uid))
    step("the time", lambda: abs(client.time() - simulator.control("state")["now"]) < 5000, True)
    step("the contracts", lambda: SYMBOL in client.contracts(), True)
    step("the money", client.money, 0)
    step("the wrong API", client.wrong_kind, WRONG_KIND[kind])
    for mode, other in zip(MODES, reversed(MODES)):
        pause()
        step(f"set {mode}", lambda: client.set_mode(mode), None)
        step("it is read", client.mode, mode)
        step("and is so", lambda: simulator.mode(uid), mode)
        step("it may be set again", lambda: client.set_mode(mode), None)
        for forms in (OTHER_FORMS, USUAL_FORMS):
            pause()
            simulator.control("switches", **forms)
            for what in (client.positions, client.orders, client.plans):
                step(f"no {what.__name__}", what, [])
        pause()
        orders, plans = simulator.fill(uid)
        step("positions", client.positions, [(SYMBOL, "long", 0.01)])
        step("orders", client.orders, orders)
        step("plans", client.plans, plans)
        step(f"set {other} is refused", lambda: client.refused(other), NOT_FLAT[kind])
        step("and did nothing", lambda: simulator.mode(uid), mode)
        simulator.empty(uid, orders, plans)
