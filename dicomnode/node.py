"""The composition root: from a Config to files, index, rules, services, edges and processes.

Every part gets just its own section of the configuration, here and nowhere else. Read `serve` for the parent process,
`association_worker` for what each worker that accepts associations is made of, `feed_worker` for the one that takes HL7 messages.
"""

from __future__ import annotations

import gc
import os
import select
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pynetdicom import AE

from dicomnode import __version__, logs, parts
from dicomnode.config import Config, load
from dicomnode.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.errors import StorageError
from dicomnode.files import Files
from dicomnode.files.space import FreeSpace
from dicomnode.hl7.feed import Feed
from dicomnode.hl7.listener import Connections, Listener
from dicomnode.hl7.serving import serve as serve_feed
from dicomnode.index import Index
from dicomnode.index.availability import NOTIFICATION_KIND
from dicomnode.index.commitment import REPORT_KIND
from dicomnode.index.growth import STUDY_COMPLETE
from dicomnode.index.mpps import FORWARD
from dicomnode.limits import NodeTable, Place
from dicomnode.prepare import prepare
from dicomnode.qa.breaker import Breaker, BreakerTable
from dicomnode.scp.application_entity import ApplicationEntity
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.scp.mpps import MppsSCP
from dicomnode.scp.presentation_contexts import ContextPolicy
from dicomnode.scp.query import QuerySCP
from dicomnode.scp.retrieve import RetrieveSCP
from dicomnode.scp.serving import serve as serve_associations
from dicomnode.scp.storage import StorageSCP
from dicomnode.scp.storage_commitment import StorageCommitmentSCP
from dicomnode.scp.worklist import WorklistSCP
from dicomnode.services.availability import AvailabilityNotifier
from dicomnode.services.commitment import Commitment
from dicomnode.services.committing import Reports
from dicomnode.services.completeness import LOOK_S, CompletenessWatch, StudyCompleteHandler
from dicomnode.services.delivery import Delivery, Handler, Periodic
from dicomnode.services.mpps import PerformedProcedureSteps
from dicomnode.services.mpps_forwarding import MppsForwarding
from dicomnode.services.query import Query
from dicomnode.services.retrieve import Retrieve
from dicomnode.services.study_verdict import StudyJudgement
from dicomnode.services.worklist.folder import WatchedFolder
from dicomnode.services.worklist.query import WorklistQuery
from dicomnode.services.worklist.scheduling import Scheduling
from dicomnode.supervisor import (
    ServiceManager,
    Signals,
    Stop,
    Supervisor,
    WorkerChannel,
    WorkerSpec,
    bind,
    inherited_sockets,
    raise_descriptor_limit,
    watched_signals,
)
from dicomnode.supervisor.channel import HEARTBEAT_INTERVAL_S
from dicomnode.supervisor.parent import PLACES_PER_WORKER
from dicomnode.transcoding import transcode
from dicomnode.upper_layer import Acceptor, server_context

log = structlog.get_logger()

_LOCK_MARGIN_S = 10.0
"""Longer than a killed node's workers may drain: then its data folder is free."""
_DRAIN_LOOK_S = 0.2
_HOUR_S = 3600.0


def serve(config: Config, path: Path | None, on_ready: Callable[[], None]) -> int:
    """Run the node until it is told to stop, for the main thread; SIGHUP reads the file at ``path`` anew.

    Args:
        on_ready: called once, when all workers accept for the first time.

    Returns:
        The exit code (docs/operations.md).

    Raises:
        ConfigurationError: a listener cannot be bound, or a file that the configuration names cannot be used.
        DataFolderError: the data folder cannot be used.
    """
    with watched_signals() as signals:
        return _serve(config, path, on_ready, signals)


def _serve(config: Config, path: Path | None, on_ready: Callable[[], None], signals: Signals) -> int:
    logs.configure(config.log)
    raise_descriptor_limit()
    log.info("node.started", version=__version__, ae_titles=list(config.ae_titles), data=str(config.data))
    inherited = inherited_sockets()
    listeners = [bind(one.host, one.port, inherited=inherited) for one in config.listeners]
    feed = config.hl7.listeners if config.hl7 else ()
    feed_listeners = [bind(one.host, one.port, inherited=inherited) for one in feed]
    try:
        wait_s = config.processes.grace_s + _LOCK_MARGIN_S
        lock = prepare(config.data, config.index, config.log, wait_s=wait_s, waiting=signals.interrupting)
    except KeyboardInterrupt:
        log.info("node.stopped", exit_code=0)
        return 0
    _tell_when_full(config)
    table = NodeTable.create(PLACES_PER_WORKER * (config.processes.workers + 1 + bool(feed)))
    breaker = BreakerTable.create()

    def specs(of: Config) -> Sequence[WorkerSpec]:
        sockets = [(number, each) for number, group in enumerate(listeners) for each in group]
        return [
            WorkerSpec(
                name=f"association-{number}",
                target=association_worker,
                args=(of, [listener for listener, _ in sockets], table.fd, breaker.fd),
                sockets=tuple(each for _, each in sockets),
                descriptors=(table.fd, breaker.fd, lock),
            )
            for number in range(1, of.processes.workers + 1)
        ] + [delivery_spec(of), *feed_specs(of)]

    def delivery_spec(of: Config) -> WorkerSpec:
        return WorkerSpec("delivery", delivery_worker, (of,), descriptors=(lock,))

    def feed_specs(of: Config) -> list[WorkerSpec]:
        if of.hl7 is None:
            return []
        sockets = [(number, each) for number, group in enumerate(feed_listeners) for each in group]
        args = of, [listener for listener, _ in sockets]
        return [
            WorkerSpec("feed", feed_worker, args, sockets=tuple(each for _, each in sockets), descriptors=(lock,)),
        ]

    def reload() -> Sequence[WorkerSpec]:
        return specs(_reloaded(load(path, os.environ), config))

    supervisor = Supervisor(
        specs(config),
        places=table.places,
        grace_s=config.processes.grace_s,
        reload=reload,
        clear_place=table.clear,
        service_manager=ServiceManager(),
        on_ready=on_ready,
    )
    return supervisor.run(signals)


def _tell_when_full(config: Config) -> None:
    """Say at the start that every instance will be refused; the node serves all the same, there may be room again at any time."""
    try:
        FreeSpace(config.data, config.files.free_space_floor_bytes).check()
    except StorageError as error:
        log.error("data_folder.full", folder=str(config.data), reason=str(error))


_FIXED = ("data", "durability", "index", "processes")
"""Sections that only a restart changes."""


def _reloaded(new: Config, running: Config) -> Config:
    """``new`` as far as it can be taken over without a restart; what cannot stays, and the log says so."""
    needs_restart = {name for name in _FIXED if getattr(new, name) != getattr(running, name)}
    if [(one.host, one.port) for one in new.listeners] != [(one.host, one.port) for one in running.listeners]:
        needs_restart.add("listeners")
    if _addresses(new) != _addresses(running):
        needs_restart.add("hl7")
    if needs_restart:
        log.warning("configuration.needs_restart", keys=sorted(needs_restart))
    return new.keeping(needs_restart, running)


def _addresses(config: Config) -> list[tuple[str, int]]:
    """Where HL7 messages are taken."""
    return [(one.host, one.port) for one in config.hl7.listeners] if config.hl7 else []


def association_worker(
    channel: WorkerChannel, config: Config, listener_numbers: Sequence[int], table_fd: int, breaker_fd: int
) -> None:
    """A worker: accepts associations from the shared listeners, and serves them until the parent has it leave."""
    logs.configure(config.log, worker=channel.name)
    place = NodeTable.attach(table_fd).place(channel.place)
    files = parts.open_files(config, channel.name)
    index = parts.open_index(config)
    breaker = Breaker(BreakerTable(breaker_fd), config.qa.breaker)
    entity = application_entity(config, files, index, place, breaker)
    policy = ContextPolicy(config.presentation_contexts)
    ae = AE(config.ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.maximum_pdu_size = config.upper_layer.maximum_pdu_bytes
    contexts = [server_context(one.tls) if one.tls else None for one in config.listeners]
    acceptors = [
        Acceptor(
            listener,
            ae=ae,
            operations=entity,
            policy=policy,
            settings=config.upper_layer,
            tls=contexts[number],
        )
        for number, listener in zip(listener_numbers, channel.sockets, strict=True)
    ]
    _keep_out_of_collections()
    channel.ready()
    serve_associations(channel, acceptors)
    index.close()
    files.close()


def _keep_out_of_collections() -> None:
    """What stands now stays for good: a full garbage collection that looked through it would hold all associations up for 50 ms."""
    gc.collect()
    gc.freeze()


def feed_worker(channel: WorkerChannel, config: Config, listener_numbers: Sequence[int]) -> None:
    """A worker: takes HL7 messages from the feed's listeners, and answers them until the parent has it leave."""
    logs.configure(config.log, worker=channel.name)
    assert config.hl7 is not None
    index = parts.open_index(config)
    feed = Feed(index, config.field_mapping, config.hl7, config.zone)
    contexts = [server_context(one.tls) if one.tls else None for one in config.hl7.listeners]
    connections = Connections()
    listeners = [
        Listener(listening, answer=feed.answer, settings=config.hl7, tls=contexts[number], connections=connections)
        for number, listening in zip(listener_numbers, channel.sockets, strict=True)
    ]
    channel.ready()
    serve_feed(channel, listeners, connections)
    index.close()


def delivery_worker(channel: WorkerChannel, config: Config) -> None:
    """The worker that delivers what the node owes, and does what is due from time to time, until the parent has it leave."""
    logs.configure(config.log, worker=channel.name)
    files = parts.open_files(config, channel.name)
    index = parts.open_index(config)
    delivery = Delivery(
        index.deliveries,
        delivery_handlers(config, files, index),
        config.delivery,
        periodic_tasks(config, files, index),
        worker=f"{channel.name}-{os.getpid()}",
    )
    channel.ready()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(delivery, select.POLLIN)
    while (stop := channel.stop()) is Stop.NO or not delivery.is_idle:
        if stop is Stop.ABORT:
            delivery.abort()
            return  # the threads end with the process
        if stop is Stop.DRAIN:
            delivery.drain()
            poll = select.poll()  # without the channel, which stays readable
            poll.register(delivery, select.POLLIN)
        wait_s = min(delivery.step(), HEARTBEAT_INTERVAL_S)
        poll.poll((_DRAIN_LOOK_S if stop is Stop.DRAIN else wait_s) * 1000)
        channel.heartbeat()
    delivery.close()
    index.close()
    files.close()


def commitment(config: Config, files: Files, index: Index) -> Commitment:
    """What vouches for instances, in one process."""
    return Commitment(
        index,
        files,
        peers=config.peers,
        scu=config.scu,
        settings=config.commitment,
        worker=f"commitment-{os.getpid()}",
    )


def delivery_handlers(config: Config, files: Files, index: Index) -> Mapping[str, Handler]:
    """Who delivers what the node owes, by its kind (`dicomnode.index.Owed`)."""
    return {
        NOTIFICATION_KIND: AvailabilityNotifier(index, config.peers, config.scu, ae_title=config.ae_title),
        REPORT_KIND: commitment(config, files, index).deliver,
        FORWARD: MppsForwarding(config.peers, config.scu, ae_title=config.ae_title),
        STUDY_COMPLETE: StudyCompleteHandler(StudyJudgement(index, files, config.qa.severities).follow),
    }


def periodic_tasks(config: Config, files: Files, index: Index) -> Sequence[Periodic]:  # noqa: ARG001
    """What the delivery worker does from time to time."""
    kept = timedelta(days=config.delivery.dropped_kept_days)
    tasks = [
        Periodic("outbox-records", _HOUR_S, lambda: index.outbox.remove_dropped(datetime.now(UTC) - kept)),
        Periodic(
            "commitment-records",
            _HOUR_S,
            lambda: index.commitments.remove_old(datetime.now(UTC) - timedelta(days=config.commitment.kept_days)),
        ),
        Periodic("completeness", LOOK_S, CompletenessWatch(index, config.completeness).look),
    ]
    kept_days = config.worklist.kept_days
    tasks.append(Periodic("worklist-records", _HOUR_S, lambda: Scheduling(index).remove_old(kept_days)))
    if folder := config.worklist.folder:
        tasks.append(Periodic("worklist-folder", config.worklist.folder_interval_s, WatchedFolder(index, folder).look))
    return tasks


def application_entity(
    config: Config, files: Files, index: Index, place: Place, breaker: Breaker | None = None
) -> ApplicationEntity:
    """The node as its peers see it: every service, and who may ask for it."""
    peers = KnownPeers(config.peers, strangers_may=config.unknown_peers_may)
    storage = parts.storage(config, files, index, memory=place.memory(config.limits), breaker=breaker)
    return ApplicationEntity(
        ae_titles=config.ae_titles,
        unknown_peers=config.unknown_peers,
        peers=peers,
        place=place,
        limits=config.limits,
        storage=StorageSCP(storage, peers),
        query=QuerySCP(Query(index, config.query, retrieve_ae_title=config.ae_title), peers),
        retrieve=RetrieveSCP(
            Retrieve(
                files=files,
                index=index,
                ae_title=config.ae_title,
                settings=config.retrieve,
                scu=config.scu,
                transcode=transcode,
            ),
            peers,
        ),
        worklist=WorklistSCP(WorklistQuery(index, config.worklist), peers),
        normalized={
            **MppsSCP(PerformedProcedureSteps(index, config.mpps), peers).services(),
            **StorageCommitmentSCP(
                commitment(config, files, index), Reports(index, config.commitment), peers
            ).services(),
        },
    )
