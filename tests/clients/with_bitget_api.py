"""bitget-api against the simulator: `with_bitget_api.py URL DIRECTORY`, where DIRECTORY has its node_modules. It runs
in Node, and is told call by call what to do.
"""
import json
import pathlib
import subprocess
import sys

from desk import Report, Simulator, play


class Client:
    """Every method is one of bitget_api.mjs."""

    def __init__(self, directory, url, name, kind):
        self.name = name
        script = pathlib.Path(__file__).parent / "bitget_api.mjs"
        pipe = subprocess.PIPE
        self.node = subprocess.Popen(["node", script, directory, url, name, kind], stdin=pipe, stdout=pipe, text=True)

    def __getattr__(self, method):
        def call(*args):
            print(json.dumps([method, *args]), file=self.node.stdin, flush=True)
            answer = json.loads(self.node.stdout.readline())
            for where, what in answer["differences"]:
                self.report.differs(where, what)
            for where, field in answer["undeclared"]:
                self.report.does_not_declare(where, field)
            if "threw" in answer:
                raise RuntimeError(answer["threw"])
            return answer["gave"]
        call.__name__ = method
        return call

    def positions(self):
        return [tuple(row) for row in self.__getattr__("positions")()]

    def end(self):
        self.node.stdin.close()
        self.node.wait(10)


simulator, directory = Simulator(sys.argv[1]), sys.argv[2]
report = None
for uid, kind in ((2005, "classic"), (2006, "unified")):
    client = Client(directory, simulator.url, f"node-{kind}", kind)
    report = report or Report("bitget-api", client.version())
    client.report = report
    play(simulator, client, uid, kind, report)
    client.end()
sys.exit(report.end())
