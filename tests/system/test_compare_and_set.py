"""Compare and set under contention: no update is lost, none is applied twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers import serving
from tests.service.calls import call
from tests.system import counting

CLIENTS, TRIES = 16, 50


def test_as_many_versions_as_there_were_200s(tmp_path: Path) -> None:
    """16 clients try 50 steps of one each: every winner's step is in the weights, the history has no gap."""

    def client(_: int) -> list[int]:
        """The versions that one client made; whoever was too late goes on from the version that it is told."""
        known, made = 2, []
        for _ in range(TRIES):
            reply = call("POST", f"{url}/step", counting.STEP, If_Match=f'"{known}"')
            assert reply.status_code in (200, 412), reply.text
            if reply.status_code == 200:
                assert counting.number(reply) == known + 1
                made.append(counting.number(reply))
            else:
                assert reply.json()["code"] == "version_conflict"
                assert counting.number(reply) > known
            known = counting.number(reply)
        return made

    with serving(tmp_path, "--workers", "2", "--request-threads", "32") as running:
        url = counting.create(running.url, "m")
        with ThreadPoolExecutor(CLIENTS) as pool:
            made = sorted(version for versions in pool.map(client, range(CLIENTS)) for version in versions)
        last = 2 + len(made)
        assert made == list(range(3, last + 1))
        rows = call("GET", f"{url}/versions?limit=1000").json()["versions"]
        assert [row["version"] for row in rows] == [str(version) for version in range(last, 0, -1)]
        assert [row["parent"] for row in rows[:-1]] == [str(version - 1) for version in range(last, 1, -1)]
        assert rows[0]["step"] == len(made)
        assert counting.counted(call("GET", f"{url}/weights").content) == last
