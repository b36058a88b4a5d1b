"""typed-bitget against the simulator: `with_typed_bitget.py URL`. It holds every answer against its types; here each
mismatch is noted, and the answer used all the same.

Its address is a constant. The client for HTTP takes another one, so it is made here and given to it.
"""
import asyncio
import importlib.metadata
import sys

from typed_bitget import Bitget
from typed_bitget.core.auth import Credentials
from typed_bitget.core.envelope import unwrap
from typed_bitget.core.transport.http import HttpRpcClient
from typed_core.exceptions import ApiError, ValidationError

from desk import PLAN_TYPES, PRODUCT, SYMBOL, Report, Simulator, play

RUNNER = asyncio.Runner()


class Noting(HttpRpcClient):
    def result(self, response, validator=None, *, validate=None):
        answer = unwrap(response)
        path = response.url.path
        try:
            known = validator.python(answer)
        except ValidationError as error:
            for wrong in error.__cause__.errors():
                # A number is that of a row, and says nothing.
                field = ".".join(part for part in wrong["loc"] if isinstance(part, str))
                found = "none" if wrong["type"] == "missing" else repr(wrong["input"])
                self.report.differs(f"{path} {field}", f"{found}, {wrong['msg'].lower()}")
        else:
            for field in unknown(answer, known):
                self.report.does_not_declare(path, field)
        return answer


def unknown(answer, known):
    """The fields of an answer that validation left out."""
    if isinstance(answer, dict) and isinstance(known, dict):
        yield from answer.keys() - known.keys()
        for name in answer.keys() & known.keys():
            yield from unknown(answer[name], known[name])
    elif isinstance(answer, list):
        for one, other in zip(answer, known):
            yield from unknown(one, other)


class Client:
    def __init__(self, url, name, kind, report):
        self.name, self.kind = name, kind
        credentials = Credentials(f"key-{name}", f"test-secret-{name}", f"test-passphrase-{name}")
        http = Noting(base_url=url, credentials=credentials)
        http.report = report
        RUNNER.run(http.__aenter__())
        api = Bitget.new(public=True)
        api.http_client = http
        self.mix, self.spot, self.uta, self.common = api.classic.mix, api.classic.spot, api.uta, api.classic.common

    def time(self):
        clock = self.common.time() if self.kind == "classic" else self.uta.market.server_time()
        return int(RUNNER.run(clock)["serverTime"])

    def contracts(self):
        listed = self.mix.market.contracts if self.kind == "classic" else self.uta.market.instruments
        return [row["symbol"] for row in RUNNER.run(listed(PRODUCT))]

    def owner(self):
        info = self.spot.account.info() if self.kind == "classic" else self.uta.account.info()
        return RUNNER.run(info)["userId"]

    def money(self):
        if self.kind == "classic":
            return float(RUNNER.run(self.mix.account.list(PRODUCT))[0]["accountEquity"])
        return float(RUNNER.run(self.uta.account.assets())["accountEquity"])

    def wrong_kind(self):
        return code(self.uta.account.settings() if self.kind == "classic" else self.mix.position.list(PRODUCT))

    def mode(self):
        if self.kind == "unified":
            return RUNNER.run(self.uta.account.settings())["holdMode"]
        one = self.mix.account.get(symbol=SYMBOL, product_type=PRODUCT, margin_coin="USDT")
        return RUNNER.run(one)["posMode"]

    def setting(self, mode):
        if self.kind == "unified":
            return self.uta.account.set_hold_mode(mode)
        return self.mix.account.set_position_mode(PRODUCT, pos_mode=mode)

    def set_mode(self, mode):
        RUNNER.run(self.setting(mode))

    def refused(self, mode):
        return code(self.setting(mode))

    def positions(self):
        if self.kind == "classic":
            rows, side = RUNNER.run(self.mix.position.list(PRODUCT)), "holdSide"
        else:
            rows, side = RUNNER.run(self.uta.position.current_positions(PRODUCT))["list"] or [], "posSide"
        return [(row["symbol"], row[side], float(row["total"])) for row in rows]

    def orders(self):
        if self.kind == "unified":
            return ids([all_of(self.uta.trade.order.unfilled_paged(PRODUCT))])
        statuses = ("live", "partially_filled")
        return ids(all_of(self.mix.order.open_paged(product_type=PRODUCT, status=status)) for status in statuses)

    def plans(self):
        if self.kind == "unified":
            asked = (self.uta.strategy.unfilled(PRODUCT, type=type) for type in (None, "trigger"))
            return ids(RUNNER.run(one) for one in asked)
        pages = (self.mix.order.plan.open_paged(product_type=PRODUCT, plan_type=one) for one in PLAN_TYPES)
        return ids(all_of(one) for one in pages)


def all_of(pages):
    """The rows of every page."""
    async def rows():
        return await pages
    return RUNNER.run(rows())


def ids(lists):
    return sorted(row["orderId"] for rows in lists for row in rows)


def code(call):
    """The code that a call is refused with, as typed-bitget's error has it."""
    try:
        RUNNER.run(call)
    except ApiError as error:
        return next(part for part in error.args if str(part).isdigit())
    return "no refusal"


simulator = Simulator(sys.argv[1])
report = Report("typed-bitget", importlib.metadata.version("typed-bitget"))
for uid, kind in ((2003, "classic"), (2004, "unified")):
    play(simulator, Client(simulator.url, f"typed-{kind}", kind, report), uid, kind, report)
sys.exit(report.end())
