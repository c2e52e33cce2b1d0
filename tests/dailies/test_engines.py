"""One contract over every engine: order, blame, limits, and the same catalogue whoever did the work."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from footage import make_movie, moody_probe, write_bytes

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.engines import Engine, LocalEngine, RayEngine, look_around
from interpositive.dailies.ingest import ingest
from interpositive.errors import ConfigError, MediaError

has_ray = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not has_ray, reason="Ray is not installed: pip install interpositive[cluster]")


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=needs_ray)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    # Ray's own workers look for this file by name.
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        engine: Engine = LocalEngine(2) if request.param == "local" else RayEngine(num_workers=2)
        yield engine
        engine.close()


def answer(job: int) -> int:
    if job == 3:
        os._exit(9)
    if job == 5:
        time.sleep(600)
    if job == 6:
        raise MediaError("it is cut short", found="3 of 9 frames")
    if job == 7:
        return len(bytearray(20 << 30))
    time.sleep(0.05 * (job % 2))
    return job * job


def patience(job: int) -> float:
    return 3.0 if job == 5 else 60.0


def test_outcomes_keep_the_order_of_their_jobs_and_blame_the_right_one(engine: Engine) -> None:
    outcomes = list(engine.run(answer, range(10), patience))
    assert [outcome.job for outcome in outcomes] == list(range(10))
    assert [outcome.result for outcome in outcomes] == [0, 1, 4, None, 16, None, None, None, 64, 81]
    assert [outcomes[job].reason for job in (3, 5, 6, 7)] == [
        "reading it crashed the decoder (exit code 9)",
        "reading it took longer than 3 seconds",
        "it is cut short (3 of 9 frames)",
        "needs more memory than a file may take",
    ]


class SlowToStart:
    """Work whose worker takes longer to begin than its job may."""

    def __call__(self, job: int) -> int:
        return job + 1

    def __setstate__(self, state: object) -> None:
        time.sleep(3)

    def __getstate__(self) -> str:
        return "slow"


def test_a_job_is_timed_from_when_its_worker_is_ready(engine: Engine) -> None:
    assert [outcome.result for outcome in engine.run(SlowToStart(), [1], lambda job: 2.0)] == [2]


def test_nobody_to_do_nothing(engine: Engine) -> None:
    assert list(engine.run(answer, [], patience)) == []


def test_a_run_that_is_left_early_leaves_nobody_busy(engine: Engine) -> None:
    outcomes = engine.run(answer, [1, 5], lambda job: 600.0)
    assert next(outcomes).result == 1
    began = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]
    assert [outcome.result for outcome in engine.run(answer, [2], patience)] == [4]
    assert time.monotonic() - began < 60


def test_folders_are_seen_from_everywhere(engine: Engine, tmp_path: Path) -> None:
    engine.check_sees([tmp_path, tmp_path / "not there"])


def test_what_is_seen_tells_folders_apart(tmp_path: Path) -> None:
    one, other = (
        write_bytes(tmp_path / "one" / "A.mov", b"").parent,
        write_bytes(tmp_path / "two" / "B.mov", b"").parent,
    )
    seen = look_around([one, other, tmp_path / "none"])
    assert len({seen[str(one)], seen[str(other)], seen[str(tmp_path / "none")]}) == 3


def test_an_ingest_is_the_same_whoever_does_the_work(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "dailies"
    for take in (1, 2, 3):
        make_movie(source / f"12A_T{take}_A.mov", seed=take)
    write_bytes(source / "13_crash.mov", b"x")
    made: list[tuple[object, ...]] = []
    for folder, chosen in ((tmp_path / "reference", LocalEngine(1)), (tmp_path / "by_engine", engine)):
        path = folder / "c.sqlite"
        report = ingest(source, path, engine=chosen, proxy_height=16, progress=False, probe=probe_by_name)
        assert [path for path, _ in report.quarantined] == ["13_crash.mov"] and len(report.accepted) == 3
        with Catalogue(path) as catalogue:
            takes = list(catalogue.takes())
        proxies = [Path(str(take.proxy_path)) for take in takes]
        made.append(
            (
                [take.model_copy(update={"proxy_path": Path(str(take.proxy_path)).name}) for take in takes],
                [proxy.read_bytes() for proxy in proxies],
                [row.model_dump() for row in report.rows],
                (folder / "ingest_report.csv").read_bytes(),
            )
        )
    assert made[0] == made[1]


def probe_by_name(path: Path) -> object:
    if "crash" in path.name:
        return moody_probe(path)
    from interpositive.media.probing import probe_media

    return probe_media(path)


@pytest.mark.skipif(has_ray, reason="Ray is installed")
def test_without_ray_the_engine_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"interpositive\[cluster\]"):
        list(RayEngine().run(answer, [1], patience))


def lose_the_machine_once(marker: Path) -> int:
    """A job whose machine is lost the first time: the process that stands for it there is killed."""
    if marker.name.startswith("lost") and not marker.exists():
        marker.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return len(marker.name)


def lose_every_machine(job: int) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


@pytest.mark.parametrize("engine", [pytest.param("ray", marks=needs_ray)], indirect=True)
def test_a_lost_machine_is_no_files_fault(engine: Engine, tmp_path: Path) -> None:
    jobs = [tmp_path / name for name in ("a", "lost", "bcd", "ef", "g")]
    outcomes = list(engine.run(lose_the_machine_once, jobs, lambda job: 60.0))
    assert [(outcome.job, outcome.result) for outcome in outcomes] == [(job, len(job.name)) for job in jobs]
    with pytest.raises(ConfigError, match="every machine"):
        list(engine.run(lose_every_machine, range(4), patience))


@needs_ray
def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1"):
        RayEngine(address="127.0.0.1:1").check_sees([])


@pytest.mark.parametrize("kind", [LocalEngine, RayEngine])
def test_engines_need_a_sensible_number_of_workers(kind: type) -> None:
    with pytest.raises(ConfigError):
        kind(num_workers=-1)
