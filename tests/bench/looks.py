"""Looks at one mode again and again with ccxt, as a script at a desk does: URL, number of looks, file of the authority or "".

Prints the CPU seconds that the looks took, without the start, and ccxt's version.
"""
import sys
import time

import ccxt

url, looks, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
name = "desk-00001"
exchange = ccxt.bitget({
    "apiKey": f"key-{name}",
    "secret": f"test-secret-{name}",
    "password": f"test-passphrase-{name}",
    "enableRateLimit": False,
})
for api in exchange.urls["api"]:
    exchange.urls["api"][api] = url
if ca:
    exchange.session.verify = ca


def look():
    answer = exchange.private_mix_get_v2_mix_account_account(
        {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT"})
    assert answer["data"]["posMode"] == "hedge_mode", answer


look()
before = time.process_time()
for _ in range(looks):
    look()
print(time.process_time() - before, ccxt.__version__)
