"""Run independent units of work through Dask: threads of this process, local processes, or a cluster."""

import asyncio
import logging
import platform
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any

import rasterio
from dask.threaded import get
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.errors import ConfigError, OutputError, SinkmapError, os_error_sentence
from pipeline.execution import ctrl_c
from pipeline.execution.cores import available_cores
from pipeline.execution.provenance import installed

GDAL_CACHE_BYTES = 96 << 20
_RETRIES = 2
ANSWER_SECONDS = 10
"""Seconds within which a cluster has to answer."""
LOOK_SECONDS = 10
"""After so many seconds without a finished unit, the cluster is asked whether it has any worker."""
HEAR_SECONDS = 0.1
"""Longest single wait for a unit: Windows tells a process of Ctrl-C only between two waits."""


LOST = "the connection to the Dask scheduler is lost; finished work is kept, start it and run again"


@dataclass(frozen=True)
class Failure:
    """A unit that could not be done, and why."""

    error: SinkmapError


class Engine:
    """Runs units of work. Without a Dask client: in threads of this process, without a server."""

    def __init__(self, console: Console, workers: int, client: Any = None) -> None:
        self.console = console
        self.workers = workers
        self.pace: dict[str, float] = {}
        """Seconds a unit took of the whole run, by the title of the units."""
        self._client = client

    @property
    def has_processes(self) -> bool:
        """Whether units run in processes of their own, here or on a cluster."""
        return self._client is not None

    def run(
        self, title: str, function: Callable[[Any], Any], units: list, isolate: bool = False, beside: Sequence = ()
    ) -> list:
        """The results of function(unit), in the order of the units, which is also the order in which they start. The
        units ``beside`` follow them: small ones, which `pace` does not count.

        A unit that raises SinkmapError, or cannot write to its ``writes_to``, has a `Failure` as its result, and the
        others go on. With ``isolate`` so has a unit that raises anything else; without it that error is raised. A unit
        whose worker dies is tried twice more before it is a Failure. Raises SinkmapError if the connection to the
        scheduler is lost, and ConfigError if scheduler or a worker runs another sinkmap or other libraries."""
        every = [*units, *beside]
        if not every:
            return []
        work = partial(_guarded, function, isolate)
        start = perf_counter()
        with _progress(self.console, title, len(every)) as advance:
            done = (self._in_threads if self._client is None else self._on_client)(work, every, advance)
        failed = sum(isinstance(result, Failure) for result in done)
        if failed or not self.console.is_terminal:
            more = f", {failed} failed" if failed else ""
            self.console.print(f"{title}: {len(done) - failed} done{more}")
        if units:
            self.pace[title] = (perf_counter() - start) / len(units)
        return done

    def _in_threads(self, work: Callable, units: list, advance: Callable[[], None]) -> list:
        def done(unit: Any) -> Any:
            result = work(unit)
            advance()
            return result

        # Dask begins with the highest key of what may be done in any order
        keys = [f"{rank:09}" for rank in range(len(units), 0, -1)]
        tasks = {key: (partial(done, unit),) for key, unit in zip(keys, units, strict=True)}
        return list(get(tasks, keys, num_workers=self.workers))

    def _on_client(self, work: Callable, units: list, advance: Callable[[], None]) -> list:
        from distributed import CancelledError, KilledWorker

        def result(future: Any) -> Any:
            try:
                return future.result()
            except KilledWorker as error:
                last = error.last_worker.address
                return Failure(
                    SinkmapError(
                        f"a worker died again and again, the last at {last}; give the workers more memory or use fewer"
                    )
                )
            except CancelledError as error:
                raise SinkmapError(LOST) from error

        self._refuse_other_installations()
        there = partial(_as_here, installed(), work)
        futures = [self._client.submit(there, unit, pure=False, retries=_RETRIES) for unit in units]
        ended: SimpleQueue = SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        looked, told = perf_counter(), False
        left = len(futures)
        while left:
            try:
                ended.get(timeout=HEAR_SECONDS)
            except Empty:
                if not told and perf_counter() - looked > LOOK_SECONDS:
                    looked, told = perf_counter(), self._say_without_workers()
                continue
            looked = perf_counter()
            left -= 1
            advance()
        return [result(future) for future in futures]

    def _say_without_workers(self) -> bool:
        """Whether the cluster has no worker; if so, a line is printed."""
        with suppress(OSError):  # a lost scheduler is reported by the units
            if not self._client.nthreads():
                self.console.print("No worker is at the Dask scheduler; the work waits for one.", soft_wrap=True)
                return True
        return False

    def _refuse_other_installations(self) -> None:
        """Raises ConfigError where scheduler or a worker is not `installed` as this process: its results would be
        marked and recorded as made by this installation, and code that it lacks could not even be unpacked."""
        try:
            at_scheduler = self._client.run_on_scheduler(installed)
        except OSError as error:
            raise SinkmapError(LOST) from error
        except (ImportError, AttributeError) as error:
            at_scheduler = error
        for place, found in {"scheduler": at_scheduler, **self._client.run(installed, on_error="return")}.items():
            if not isinstance(found, OSError):  # a worker that has just died
                _refuse_other(f"the {place}" if place == "scheduler" else f"the worker {place}", found, installed())


def successes(results: list) -> list:
    """The results as they are if no unit failed. Raises the error of the first that did."""
    for result in results:
        if isinstance(result, Failure):
            raise result.error
    return results


def _as_here(here: dict[str, str], work: Callable, unit: Any) -> Any:
    """work(unit), unless this process is not `installed` as ``here`` says: a worker may join while a stage is
    running."""
    _refuse_other(f"a worker on {platform.node()}", installed(), here)
    return work(unit)


def _refuse_other(who: str, found: dict[str, str] | Exception, here: dict[str, str]) -> None:
    if found == here:
        return
    differ = f"not this sinkmap ({found})"
    if isinstance(found, dict):
        parts = sorted(name for name in here.keys() | found.keys() if found.get(name) != here.get(name))
        differ = ", ".join(f"{name} {found.get(name)} for {here.get(name)}" for name in parts)
    raise ConfigError(
        f"{who} of the Dask cluster has {differ}; install there what this machine has, start it again, then run again"
    )


def _guarded(function: Callable, isolate: bool, unit: Any) -> Any:
    # what is read here is decoded in this thread: see `reflectance.DECODING`
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES, GDAL_MAX_DATASET_POOL_SIZE=64, GDAL_NUM_THREADS="1"):
        try:
            return function(unit)
        except SinkmapError as error:
            return Failure(error)
        except OSError as error:
            return Failure(OutputError(os_error_sentence(error, unit.writes_to)))
        except (RasterioError, CPLE_BaseError) as error:
            return Failure(OutputError(f"{unit.writes_to}: cannot be written ({error}); free space, then run again"))
        except Exception as error:
            if not isolate:
                raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} {error} in {Path(place.filename).name}, line {place.lineno}"
            return Failure(SinkmapError(f"unexpected {what}; report this line"))


@contextmanager
def open_engine(console: Console, workers: int | None = None, cluster: str | None = None) -> Iterator[Engine]:
    """An engine of threads, one per core (default), of ``workers`` local processes, or of the Dask cluster at the
    address ``cluster``. Raises ConfigError if the cluster does not answer, if processes cannot be started, or if both
    are asked for."""
    if workers is not None and cluster is not None:
        raise ConfigError("--workers starts processes here and --cluster uses those of a cluster; give one of them")
    if workers is None and cluster is None:
        yield Engine(console, available_cores())
        return
    # distributed takes a second to import: only who asks for it waits
    from distributed import Client, LocalCluster
    from distributed.versions import VersionMismatchWarning

    if cluster is None:
        # at a free port: the usual one may be another cluster's, of which there would be a warning
        place = {"dashboard_address": "127.0.0.1:0"}
        with ctrl_c.kept_from_children():
            try:
                local = LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL,
                    scheduler_kwargs=place, preload=[ctrl_c.__name__],
                )  # fmt: skip
            except RuntimeError as error:
                raise ConfigError(
                    f"--workers {workers}: the processes cannot be started ({error}); give fewer, or leave it out for "
                    "threads"
                ) from error
        with local, Client(local) as client:
            yield Engine(console, workers, client)
        return
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost scheduler is reported in one sentence
    warnings.simplefilter("ignore", VersionMismatchWarning)  # so is what is not installed as here
    try:
        # a client that cannot reach it would end in a traceback of its own; a notebook's loop takes no second one
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _reach(cluster)).result()
        client = Client(cluster, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        why = f" ({error})" if str(error) else ""
        raise ConfigError(f"no Dask scheduler answers at {cluster}{why}; start one or correct the address") from error
    with client:
        if not client.nthreads():
            console.print(f"No worker is at the Dask scheduler {cluster} yet; the work waits for one.", soft_wrap=True)
        yield Engine(console, max(1, sum(client.nthreads().values())), client)


async def _reach(address: str) -> None:
    """Greet the Dask scheduler at ``address``, with the certificates of Dask's configuration where that is tls://."""
    from distributed.comm import connect
    from distributed.security import Security

    greeting = connect(address, timeout=ANSWER_SECONDS, **Security().get_connection_args("client"))
    greeted = await asyncio.wait_for(greeting, ANSWER_SECONDS + 1)  # with another kind of server it would wait for ever
    await greeted.close()


@contextmanager
def _progress(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal."""
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
