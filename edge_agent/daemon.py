"""The node's main loop: join, keep a poll open, pass on what it brings, survive."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Dict, Optional, Type, TypeVar

from edge_agent import enrolment, profile
from edge_agent.activity import IDLE, Activity
from edge_agent.backoff import Backoff
from edge_agent.blobs import BlobCache
from edge_agent.checkups import Checkups
from edge_agent.clock import Clock
from edge_agent.config import AgentConfig
from edge_agent.executor import Executor
from edge_agent.identity import Identity, unusable
from edge_agent.link import Link
from edge_agent.service_manager import ServiceManager
from edge_agent.spool import Spool
from edge_agent.telemetry import Telemetry
from fedbed import logs
from fedbed.errors import (
    CoordinatorAway,
    FedbedError,
    NotAdmitted,
    NotFound,
    PayloadError,
    Refused,
    Untrusted,
)
from fedbed.link.messages import (
    JoinReply,
    JoinRequest,
    NodeProfile,
    PollReply,
    PollRequest,
    parse,
    unparse,
)

log = logging.getLogger("fedbed.agent")
Reply = TypeVar("Reply")
ANSWER_S = 10.0
"""How long an answer may take, beyond the wait that a poll asks for."""


class _Stop(BaseException):
    """A signal asks the daemon to stop; raised wherever the main thread waits."""


class Daemon:
    """An agent from start to stop. The constructor does nothing; `run` does it all."""

    def __init__(self, config: AgentConfig, manager: ServiceManager) -> None:
        self._config = config
        self._manager = manager
        self._identity = Identity(config.state_dir)
        self._link = Link(config.coordinator, config.ca)
        self._spool = Spool(config.state_dir / "spool")
        self._blobs = BlobCache(config.state_dir / "blobs", config.blob_cache_bytes)
        self._activity = Activity()
        self._executor = Executor(config, self._spool, self._blobs, self._activity)
        self._clock = Clock()
        self._telemetry = Telemetry(config, self._executor, self._activity, self._clock)
        self._checkups = Checkups(config, lambda: bool(self._executor.holding()))
        self._node_id = ""
        self._has_joined = False
        self._poll_s = self._busy_poll_s = 1.0
        self._profile = NodeProfile()
        self._stopping = False

    def run(self) -> None:
        """Serve until a signal (or the end of standard input, if so configured) says stop.

        Raises FedbedError for what no retry can mend: a name that is taken, a refused node, an
        unusable state folder or interpreter.
        """
        self._identity.acquire()
        try:
            try:
                self._spool.open()
                self._blobs.open()
            except OSError as error:
                raise unusable(self._config.state_dir, error) from error
            self._profile = profile.profile(self._config.worker_python)
            self._executor.start()
            self._telemetry.start()
            try:
                # A signal may come while this installs: `_Stop` must be caught from here on.
                self._install_signals()
                self._serve()
            except _Stop:
                log.info("stopping")
                self._manager.stopping("stopping, as it was told to")
            finally:
                self._stopping = True
                self._checkups.stop()
                self._executor.stop()
                self._leave()
                self._telemetry.stop()
        finally:
            self._link.close()
            self._identity.release()

    def _serve(self) -> None:
        backoff = Backoff()
        away = False
        while True:
            try:
                if not self._node_id:
                    self._join()
                reply = self._poll()
            except (CoordinatorAway, Untrusted) as error:
                if isinstance(error, Untrusted) and not self._has_joined:
                    raise
                if not away:
                    log.warning("%s Trying again until it answers.", error)
                away = True
                # A board that boots before its coordinator is up has started well enough.
                self._pause(backoff, f"waits for its coordinator: {error}")
                continue
            except (NotAdmitted, NotFound, Refused) as error:
                if not self._node_id:
                    raise
                log.warning("%s: joining again", error)
                self._node_id = ""
                # Two boards with one key (a copied SD card) must not race each other.
                self._pause(backoff, f"joins again: {error}")
                continue
            if away:
                log.info("the coordinator is back")
            away = False
            backoff.reset()
            self._poll_s, self._busy_poll_s = reply.poll_s, reply.busy_poll_s
            self._telemetry.drained(reply.drained)
            self._checkups.asked(reply.checkup)
            try:
                self._executor.drop(reply.drop)
                self._executor.serve_run(reply.run)
                if reply.work is not None:
                    self._executor.accept(reply.work)
            except PayloadError as error:
                log.error("%s", error)
                self._pause(backoff, self._status())
            self._manager.turned(self._status())

    def _pause(self, backoff: Backoff, status: str) -> None:
        self._manager.turned(status)
        threading.Event().wait(min(backoff.next_s(), self._manager.longest_turn_s))
        self._manager.turned(status)

    def _join(self) -> None:
        config = self._config
        request = JoinRequest(
            name=config.name,
            key=self._identity.key,
            profile=self._profile,
            labels=config.labels,
            compressors=profile.compressors(self._profile.packages),
            apps_allowed=config.apps_allowed and "flwr" in self._profile.packages,
        )
        # A node that is known by its key needs none; its file may be gone by then.
        self._link.token = enrolment.token(config.enrol_file)
        answer = self._link.call(
            "POST", "/api/v1/nodes", unparse(request), min(ANSWER_S, self._manager.longest_turn_s)
        )
        reply = self._understood(JoinReply, answer)
        self._node_id = reply.node_id
        self._has_joined = True
        # The first answer comes at once, for it tells the time, for which samples wait.
        self._poll_s = 0.0
        self._link.token = reply.token
        self._executor.joined(reply.token)
        self._telemetry.joined(reply.node_id, reply.token)
        self._checkups.joined(reply.node_id, reply.token)
        log.info("joined %s as '%s' (%s)", config.coordinator, reply.name, reply.node_id)
        self._manager.turned(self._status())

    def _status(self) -> str:
        """Return what the node does, in words."""
        doing = self._activity.doing
        work = f", round {doing.round} of run {doing.run}" if doing.run else ""
        where = f"'{self._config.name}' at {self._config.coordinator}"
        return f"{'waits for work' if doing.state == IDLE else doing.state}{work}: {where}"

    def _poll(self) -> PollReply:
        holding = self._executor.holding()
        # While training the poll is short, because it carries the progress.
        wait_s = min(self._poll_s, self._busy_poll_s) if holding else self._poll_s
        # The turn must end within what the watchdog grants, even where no answer comes.
        answer_s = min(ANSWER_S, self._manager.longest_turn_s / 2)
        wait_s = min(wait_s, self._manager.longest_turn_s - answer_s)
        request = PollRequest(
            wait_s=wait_s,
            holding=holding,
            progress=self._executor.progress(),
            cost=profile.cost(),
            trouble=self._executor.trouble,
        )
        sent = self._clock.now()
        answer = self._link.call(
            "POST",
            f"/api/v1/nodes/{self._node_id}/work",
            unparse(request),
            timeout_s=wait_s + answer_s,
        )
        received = self._clock.now()
        reply = self._understood(PollReply, answer)
        self._clock.learn(sent, received, reply.now_s, reply.held_s)
        return reply

    def _understood(self, cls: Type[Reply], answer: Dict[str, Any]) -> Reply:
        try:
            return parse(cls, answer)
        except (TypeError, ValueError) as error:
            raise CoordinatorAway(
                f"{self._config.coordinator} doesn't answer like a fedbed coordinator."
            ) from error

    def _leave(self) -> None:
        if not self._node_id:
            return
        self._link.close()
        try:
            self._link.call("DELETE", f"/api/v1/nodes/{self._node_id}", timeout_s=2.0)
        except FedbedError as error:
            log.info("left without a word to the coordinator: %s", error)

    def _install_signals(self) -> None:
        def stop(_number: int, _frame: Optional[FrameType]) -> Any:
            if not self._stopping:
                self._stopping = True
                raise _Stop

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        if self._config.stop_with_parent:
            threading.Thread(target=_stop_at_end_of_input, name="parent", daemon=True).start()


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    # To the main thread itself, whose open poll it must interrupt.
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)


def run(config: AgentConfig) -> int:
    """Run an agent; returns the exit code, with one line on standard error where it isn't 0."""
    logs.configure()
    manager = ServiceManager(os.environ, os.getpid())
    try:
        Daemon(config, manager).run()
    except FedbedError as error:
        manager.stopping(str(error))
        logs.last_words(f"fedbed agent: {error}")
        return error.exit_code
    finally:
        manager.close()
    return 0
