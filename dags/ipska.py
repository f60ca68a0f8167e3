"""Both DAGs, the nightly run and the backfill: the steps of pipeline/flow.py, one task each."""

# mypy: disable-error-code="untyped-decorator"
# (Airflow is skipped by mypy; the functions themselves are checked.)

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import (
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    dag,
    task,
)
from airflow.sdk.exceptions import AirflowFailException

Facts = dict[str, Any]


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
    from pipeline import flow

    return flow.request_nightly(
        dag_run.run_after,
        params["months_back"],
        params["newest"],
        dag_run.triggering_user_name or "",
    )


@task(task_id="request", multiple_outputs=False)
def request_backfill(params: Facts, dag_run: Any) -> Facts:
    """Check which months are wanted, and why."""
    from pipeline import flow

    return flow.request_backfill(
        params["from"],
        params["to"],
        params["feed"],
        params["reason"],
        dag_run.run_after,
        params["force"],
        dag_run.triggering_user_name or "",
    )


@task.short_circuit
def dry_run(request: Facts, params: Facts) -> bool:
    """Print what would be pulled; a dry run ends here."""
    from pipeline import flow

    if params["dry_run"]:
        for row in flow.plan(request, connection)["rows"]:
            print(f"{row['slice']}  {row['state']:9}  {row['source']}")
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


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def conclude(
    request: Facts | None,
    extracted: Facts | None,
    validated: Facts | None,
    built: Facts | None,
    published: Facts | None,
    dag_run: Any = None,
) -> None:
    """Write the run into the ledger, tell what came of it; red if something is newly wrong."""
    from pipeline import outcome

    if request is None:
        if dag_run.dag_id == "ipska_nightly":  # who starts a backfill is there to see it
            outcome.unstarted("nightly", connection)
        raise AirflowFailException("see the log of request / lihat log langkah request")
    done = (extracted, validated, built, published)
    report = outcome.conclude(request, *done, lookup=connection)
    print(report["text_id"], report["text_en"], sep="\n\n")
    if report["exit_code"]:
        raise AirflowFailException(f"exit code {report['exit_code']}: the message stands above")


MONTH = {"pattern": r"^\d{4}-(0[1-9]|1[0-2])$"}

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
            title="Months before it / Bulan sebelumnya",
            description="Empty: IPSKA_MONTHS_BACK. / Kosong: IPSKA_MONTHS_BACK.",
        ),
    },
    **COMMON,
)
def nightly() -> None:
    """
    **en** Every night at 01:30 Jakarta time: pulls the newest month that has ended, and the ones
    before it, from every feed; checks what is new; makes one build and publishes it for the
    office. Unchanged files are not pulled again. The months come from the moment for which the
    run is due (*run after*), never from a logical date.

    **id** Setiap malam pukul 01.30 WIB: menarik bulan terakhir yang sudah berakhir dan
    bulan-bulan sebelumnya dari semua sumber, memeriksa yang baru, membangun sekali, lalu
    menerbitkannya untuk kantor. Berkas yang tidak berubah tidak ditarik lagi. Bulan ditentukan
    oleh saat proses dijadwalkan (*run after*), bukan oleh *logical date*.
    """
    request = request_nightly()
    extracted = extract(request)
    validated = validate(request, extracted)
    built = build(request, validated)
    published = publish(request, built)
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
            description="Only print what would be pulled. / Hanya mencetak apa yang akan ditarik.",
        ),
        "force": Param(
            False,
            type="boolean",
            title="Force / Paksa",
            description="Take again what was refused, an older extract too. / "
            "Terima lagi yang pernah ditolak, juga data yang ditarik lebih lama.",
        ),
    },
    **COMMON,
)
def backfill() -> None:
    """
    **en** Pulls a range of months again, as one run and one build. A dry run (so it is set) only
    prints what would be pulled. Airflow's own backfill is not supported: it makes one run per
    date.

    **id** Menarik ulang satu rentang bulan sebagai satu proses dan satu hasil bangun. Uji coba
    (pengaturan bawaan) hanya mencetak apa yang akan ditarik. *Backfill* bawaan Airflow tidak
    didukung: satu proses per tanggal.
    """
    request = request_backfill()
    extracted = extract(request)
    validated = validate(request, extracted)
    built = build(request, validated)
    published = publish(request, built)
    dry_run(request) >> extracted
    conclude(request, extracted, validated, built, published)


nightly()
backfill()
