"""ccxt against the simulator: `with_ccxt.py URL`."""
import re
import sys

import ccxt

from desk import PLAN_TYPES, PRODUCT, SYMBOL, Report, Simulator, play

MARKET = "BTC/USDT:USDT"


class Client:
    """ccxt finds out the kind of the account by itself; where it has no call of its own, its raw one is used."""

    def __init__(self, url, name, kind):
        self.name, self.kind = name, kind
        self.api = ccxt.bitget({
            "apiKey": f"key-{name}",
            "secret": f"test-secret-{name}",
            "password": f"test-passphrase-{name}",
        })
        for part in self.api.urls["api"]:
            self.api.urls["api"][part] = url

    def time(self):
        return self.api.fetch_time()

    def contracts(self):
        self.api.load_markets()
        found = {"classic": None, "unified": True}[self.kind]
        assert (self.api.options.get("uta") or None) == found, "ccxt takes it for the other kind"
        return [market["id"] for market in self.api.markets.values() if market["swap"]]

    def owner(self):
        if self.kind == "classic":
            return self.api.private_spot_get_v2_spot_account_info()["data"]["userId"]
        return self.api.private_uta_get_v3_account_info()["data"]["userId"]

    def money(self):
        balance = self.api.fetch_balance({"type": "swap", "productType": PRODUCT})
        return balance["total"].get("USDT", 0)

    def wrong_kind(self):
        if self.kind == "classic":
            return code(self.api.private_uta_get_v3_account_settings)
        return code(lambda: self.api.private_mix_get_v2_mix_position_all_position({"productType": PRODUCT}))

    def mode(self):
        if self.kind == "unified":
            return self.api.private_uta_get_v3_account_settings()["data"]["holdMode"]
        about = {"symbol": SYMBOL, "productType": PRODUCT, "marginCoin": "USDT"}
        return self.api.private_mix_get_v2_mix_account_account(about)["data"]["posMode"]

    def set_mode(self, mode):
        self.api.set_position_mode(mode == "hedge_mode", MARKET)

    def refused(self, mode):
        return code(lambda: self.set_mode(mode))

    def positions(self):
        rows = self.api.fetch_positions([MARKET])
        return [(row["info"]["symbol"], row["side"], row["contracts"]) for row in rows]

    def orders(self):
        # Without a status v2 promises only live ones; v3 lists all, and takes no heed of the parameter.
        statuses = ("live", "partially_filled") if self.kind == "classic" else ("",)
        lists = (self.api.fetch_open_orders(MARKET, params={"status": status}) for status in statuses)
        return ids(lists)

    def plans(self):
        if self.kind == "classic":
            asked = ({"trigger": True, "planType": plan_type} for plan_type in PLAN_TYPES)
            return ids(self.api.fetch_open_orders(MARKET, params=params) for params in asked)
        tpsl = self.api.fetch_open_orders(MARKET, params={"trigger": True})
        about = {"category": PRODUCT, "type": "trigger"}
        rest = self.api.private_uta_get_v3_trade_unfilled_strategy_orders(about)["data"]
        if rest and not {row["orderId"] for row in rest} & {row["id"] for row in tpsl}:
            self.report.differs("fetchOpenOrders, trigger", "no trigger orders")
        return sorted([*ids([tpsl]), *(row["orderId"] for row in rest)])


def ids(lists):
    return sorted(row["id"] for rows in lists for row in rows)


def code(call):
    """The code that a call is refused with, as ccxt's error shows it."""
    try:
        call()
    except ccxt.ExchangeError as error:
        return re.search(r'"code":"(\d+)"', str(error)).group(1)
    return "no refusal"


simulator, report = Simulator(sys.argv[1]), Report("ccxt", ccxt.__version__)
for uid, kind in ((2001, "classic"), (2002, "unified")):
    client = Client(simulator.url, f"ccxt-{kind}", kind)
    client.report = report
    play(simulator, client, uid, kind, report)
sys.exit(report.end())
