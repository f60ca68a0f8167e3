"""The DAGs: the nightly run and the backfill, the steps of pipeline/flow.py, and the deadline."""

# mypy: disable-error-code="untyped-decorator"
# (Airflow is skipped by mypy; the functions themselves are checked.)

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import (
    Asset,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    dag,
    task,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

Facts = dict[str, Any]
# What the office reads: a DAG with schedule=RELEASE runs after each release.
RELEASE = Asset("ipska_release", uri="x-ipska://release/internal")


def connection(name: str) -> str | None:
    """A connection from wherever Airflow keeps it, as JSON; None when there is none."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return str(Connection.get(name).as_json())
    except AirflowNotFoundException:
        return None


@task(task_id="request", multiple_outputs=False)
def request_nightly(params: Facts, dag_run: Any) -> Facts:
    """Say which months are due at the moment of the run."""
    from pipeline import requests

    return requests.nightly(
        dag_run.run_after,
        params["months_back"],
        params["newest"],
        dag_run.triggering_user_name or "",
        params["accept"],
        params["reason"],
    )


@task(task_id="request", multiple_outputs=False)
def request_backfill(params: Facts, dag_run: Any) -> Facts:
    """Check which months are wanted, and why."""
    from pipeline import requests

    return requests.backfill(
        params["from"],
        params["to"],
        params["feed"],
        params["reason"],
        dag_run.run_after,
        params["force"],
        dag_run.triggering_user_name or "",
        params["accept"],
    )


@task.short_circuit
def dry_run(request: Facts, params: Facts) -> bool:
    """Try it in a temporary folder and print what would come of it; a dry run ends here."""
    from pipeline import plan

    if params["dry_run"]:
        found = plan.made(request, connection)
        print(plan.text(found, "id"), plan.text(found, "en"), sep="\n\n")
    return not params["dry_run"]


@task(
    multiple_outputs=False,
    retries=3,
    retry_delay=timedelta(minutes=1),
    retry_exponential_backoff=2.0,
    retry_policy=ExceptionRetryPolicy([RetryRule("pipeline.messages.Problem", RetryAction.FAIL)]),
)
def extract(request: Facts) -> Facts:
    """Fetch what is new at the sources and keep it as it came."""
    from pipeline import flow

    return flow.extract(request, connection)


@task(multiple_outputs=False)
def validate(request: Facts, extracted: Facts) -> Facts:
    """Accept, set aside or refuse every delivery that has no verdict yet."""
    from pipeline import flow

    return flow.validate(request, extracted)


@task(multiple_outputs=False)
def build(request: Facts, validated: Facts) -> Facts:
    """Make one new warehouse file of all accepted deliveries, with the ranking in it."""
    from pipeline import flow

    return flow.build(request, validated)


@task(multiple_outputs=False)
def publish(request: Facts, built: Facts) -> Facts:
    """Check it at the gate and make it the current release for the office."""
    from pipeline import flow

    return flow.publish(request, built)


@task(inlets=[RELEASE], outlets=[RELEASE])
def announce(published: Facts, inlet_events: Any = None, outlet_events: Any = None) -> None:
    """Tell other DAGs of the current release, published by a command too; skipped if told."""
    newest = [*inlet_events[RELEASE].ascending(False).limit(1)]
    if newest and newest[0].extra.get("release_id") == published["release_id"]:
        raise AirflowSkipException("no new release / tidak ada rilis baru")
    names = ("release_id", "build_id", "is_synthetic")
    outlet_events[RELEASE].extra = {name: published[name] for name in names}


@task
def check_deadline() -> None:
    """Tell, once, when no night has ended well by the deadline; red then."""
    from pipeline import outcome

    if told := outcome.deadline(connection):
        print(told["text_id"], told["text_en"], sep="\n\n")
        raise AirflowFailException("deadline missed / tenggat terlewat")


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def conclude(
    request: Facts | None,
    extracted: Facts | None,
    validated: Facts | None,
    built: Facts | None,
    published: Facts | None,
    dag_run: Any = None,
    params: Any = None,
) -> None:
    """Write the run into the ledger, tell what came of it; red if something is newly wrong."""
    from pipeline import outcome

    if request is None:
        # Who starts a run is there to see it; a backfill is no night of the schedule.
        if dag_run.dag_id == "ipska_nightly" and not dag_run.triggering_user_name:
            outcome.unstarted("nightly", connection)
        raise AirflowFailException("see the log of request / lihat log langkah request")
    if params.get("dry_run") and extracted is None:  # nothing was to be done, nothing is booked
        raise AirflowFailException("see the log of dry_run / lihat log langkah dry_run")
    done = (extracted, validated, built, published)
    report = outcome.conclude(request, *done, lookup=connection)
    print(report["text_id"], report["text_en"], sep="\n\n")
    if report["exit_code"]:
        raise AirflowFailException(f"exit code {report['exit_code']}: the message stands above")


MONTH = {"pattern": r"^\d{4}-(0[1-9]|1[0-2])$"}

ACCEPT = Param(
    None,
    type=["null", "string"],
    enum=[None, "movement"],
    title="Accept / Terima",
    description="movement: publish although it moves too far from the current release. / "
    "movement: terbitkan walau bergeser terlalu jauh dari rilis sekarang.",
)

COMMON: Facts = {
    # A manual run dated before start_date "succeeds" with no task run.
    "start_date": datetime(2000, 1, 1, tzinfo=ZoneInfo("Asia/Jakarta")),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"retries": 0},  # where a retry can help, the task says so
    "tags": ["ipska"],
}


@dag(
    dag_id="ipska_nightly",
    schedule=CronTriggerTimetable("30 1 * * *", timezone="Asia/Jakarta"),
    params={
        "newest": Param(
            None,
            type=["null", "string"],
            **MONTH,
            title="Newest month / Bulan terbaru",
            description="YYYY-MM; empty: the last month that had ended when the run was due. / "
            "TTTT-BB; kosong: bulan terakhir yang sudah berakhir saat proses dijadwalkan.",
        ),
        "months_back": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=1200,
            title="Months before it / Bulan sebelumnya",
            description="Empty: IPSKA_MONTHS_BACK. / Kosong: IPSKA_MONTHS_BACK.",
        ),
        "accept": ACCEPT,
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason / Alasan",
            description="Required with Accept; stands in the ledger for ever. / "
            "Wajib bila Terima diisi; tercatat selamanya di buku besar.",
        ),
    },
    **COMMON,
)
def nightly() -> None:
    """
    **en** Every night at 01:30 Jakarta time: pulls the newest month that has ended, and the ones
    before it, from every feed; checks what is new; makes one build and publishes it for the
    office. Unchanged files are not pulled again. The months come from the moment for which the
    run is due (*run after*), never from a logical date. Airflow's own backfill is not supported;
    *ipska_backfill* is the way.

    **id** Setiap malam pukul 01.30 WIB: menarik bulan terakhir yang sudah berakhir dan
    bulan-bulan sebelumnya dari semua sumber, memeriksa yang baru, membangun sekali, lalu
    menerbitkannya untuk kantor. Berkas yang tidak berubah tidak ditarik lagi. Bulan ditentukan
    oleh saat proses dijadwalkan (*run after*), bukan oleh *logical date*. *Backfill* bawaan Airflow
    tidak didukung; pakai *ipska_backfill*.
    """
    request = request_nightly()
    extracted = extract(request)
    validated = validate(request, extracted)
    built = build(request, validated)
    published = publish(request, built)
    announce(published)
    conclude(request, extracted, validated, built, published)


@dag(
    dag_id="ipska_backfill",
    schedule=None,
    params={
        "from": Param(
            type="string",
            **MONTH,
            title="First month / Bulan pertama",
            description="YYYY-MM / TTTT-BB",
        ),
        "to": Param(
            type="string",
            **MONTH,
            title="Last month / Bulan terakhir",
            description="YYYY-MM, included / TTTT-BB, termasuk",
        ),
        "feed": Param(
            None,
            type=["null", "string"],
            title="Feed / Sumber",
            description="A name in seeds/feeds.toml; empty: all. / "
            "Nama di seeds/feeds.toml; kosong: semua.",
        ),
        "reason": Param(
            type="string",
            minLength=3,
            title="Reason / Alasan",
            description="Stands in the ledger for ever. / Tercatat selamanya di buku besar.",
        ),
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run / Uji coba",
            description="Only try it and print what would come of it. / "
            "Hanya mencoba dan mencetak apa yang akan terjadi.",
        ),
        "force": Param(
            False,
            type="boolean",
            title="Force / Paksa",
            description="Take again what was refused, an older extract too. / "
            "Terima lagi yang pernah ditolak, juga data yang ditarik lebih lama.",
        ),
        "accept": ACCEPT,
    },
    **COMMON,
)
def backfill() -> None:
    """
    **en** Pulls a range of months again, as one run and one build. A dry run (so it is set) tries
    it in a temporary folder and prints what would come of it: deliveries, verdicts, ranks. To
    cancel, mark the task *extract* as failed: what has landed stays, nothing is published, and the
    same started again goes on from there. Airflow's own backfill is not supported: it makes one
    run per date.

    **id** Menarik ulang satu rentang bulan sebagai satu proses dan satu hasil bangun. Uji coba
    (pengaturan bawaan) mencobanya di folder sementara dan mencetak apa yang akan terjadi: kiriman,
    keputusan, peringkat. Untuk membatalkan, tandai tugas *extract* sebagai gagal: yang sudah
    diterima tetap, tidak ada yang diterbitkan, dan proses yang sama melanjutkan dari situ.
    *Backfill* bawaan Airflow tidak didukung: satu proses per tanggal.
    """
    request = request_backfill()
    extracted = extract(request)
    validated = validate(request, extracted)
    built = build(request, validated)
    published = publish(request, built)
    announce(published)
    dry_run(request) >> extracted
    conclude(request, extracted, validated, built, published)


@dag(
    dag_id="ipska_deadline", schedule=CronTriggerTimetable("5 6 * * *", timezone="Asia/Jakarta"),
    **COMMON,
)  # fmt: skip
def deadline() -> None:
    """
    **en** Five minutes after the deadline (IPSKA_DEADLINE, 06:00; who changes that changes this
    schedule too): red, with one message, when no night has ended well since the evening before,
    because it hangs or never started. A night that failed has told so itself.

    **id** Lima menit setelah tenggat (IPSKA_DEADLINE, 06.00; bila diubah, ubah jadwal ini juga):
    merah, dengan satu pesan, bila sejak malam sebelumnya tidak ada proses malam yang selesai baik
    karena macet atau tidak pernah mulai. Proses yang gagal sudah menyampaikannya sendiri.
    """
    check_deadline()


nightly()
backfill()
deadline()
