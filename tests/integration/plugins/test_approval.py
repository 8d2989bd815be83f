"""A candidate that waits for a person, on the local Cloud Run and a real store."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cyclone.clock import read_now
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.messages.outbox import note_messages
from cyclone.page.fleet import show_fleet
from cyclone.page.incident import show_run
from cyclone.page.model import Visit, show_model
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.page.doing import do
from releasing.approval.answers import decide
from releasing.approval.questions import Approval, find_question
from releasing.canary_steps import CanaryState, CanaryWatch, advance_canary
from releasing.candidate import candidate_of_run
from releasing.commands import add_commands
from releasing.early_promotion import promote_early
from releasing.promotion import promote
from releasing.returning import return_traffic
from tests.support.staged_releases import answer, begin_earlier, deploy, read_percents, register_versions, write_model
from tests.support.statements import execute
from tests.unit.plugins.test_page import watch


def ask_for(spec: ModelSpec, approval: str) -> ModelSpec:
    return spec.model_copy(update={"release": spec.release.model_copy(update={"approval": approval})})


@pytest.fixture
def required(cloud: Settings, quick: ModelSpec) -> ModelSpec:
    """Version 1 serves, and version 2 is a candidate that a person has to approve before its first share."""
    register_versions(cloud, 3)
    promote(cloud, quick, deploy(cloud, quick, 1))
    deploy(cloud, quick, 2)
    return ask_for(quick, "required")


def read_question(store: Store, version: int) -> Approval:
    from cyclone.releases import release_of_run

    release = release_of_run(store, "bike_demand", f"run_{version}")
    assert release is not None
    question = find_question(store, release)
    assert question is not None
    return question


def test_a_candidate_has_no_share_until_a_person_approves_it(
    cloud: Settings, store: Store, required: ModelSpec
) -> None:
    state = advance_canary(cloud, required, "run_2")
    assert (state.is_over, state.is_passed) == (False, False)
    assert state.asks == "Version 2 waits for approval before it gets 5 % of the traffic. Canary: not begun."
    assert advance_canary(cloud, required, "run_2") == state, "it is asked once"
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert decide(cloud, required, True, "ann", "it is a third better", 2).version == 2
    assert advance_canary(cloud, required, "run_2") == CanaryState(False, False, "the candidate has 5 % of the traffic")
    told = [(row["event"], row["detail"]) for row in store.fetch("lineage/timeline", model="bike_demand")]
    assert ("waits for approval", state.asks) in told
    assert ("approval answered", "approved by ann: it is a third better") in told
    with pytest.raises(ReleaseError, match=r"answered already: approved by ann: it is a third better\. The first"):
        decide(cloud, required, False, "bob", "I disagree")
    assert read_percents(cloud) == {"bike-demand-v1": 95, "bike-demand-v2": 5}


def test_a_refused_candidate_is_rolled_back_at_once(cloud: Settings, store: Store, required: ModelSpec) -> None:
    with pytest.raises(ReleaseError, match="nothing waits for approval"):
        decide(cloud, required, False, "ann", "no")
    advance_canary(cloud, required, "run_2")
    decide(cloud, required, False, "ann", "the holidays come")
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    state = advance_canary(cloud, required, "run_2")
    assert state == CanaryState(True, False, "it is rolled_back: refused by ann: the holidays come")


def test_nobody_answers_until_the_deadline(cloud: Settings, store: Store, required: ModelSpec) -> None:
    advance_canary(cloud, required, "run_2")
    execute(store, "UPDATE approval SET deadline = clock_timestamp() - interval '1 second'")
    with pytest.raises(ReleaseError, match="version 2 cannot be decided about any more: its time was over at"):
        decide(cloud, required, True, "ann", "yes")
    state = CanaryWatch(cloud, required, "run_2").look()
    assert (state.is_over, state.is_passed) == (True, False)
    assert state.reason.startswith("nobody approved it until ")
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert execute(store, "SELECT answer, answered_by FROM approval") == [("expired", None)]
    told = [message.text for message in note_messages(store, "bike_demand", read_now(store, cloud, "bike_demand"))]
    assert any("Version 2 was rolled back: nobody approved it until" in text for text in told)


def test_a_message_says_that_it_waits_with_the_numbers(cloud: Settings, store: Store, required: ModelSpec) -> None:
    advance_canary(cloud, required, "run_2")
    present = read_now(store, cloud, "bike_demand") + timedelta(minutes=1)
    (told,) = [each for each in note_messages(store, "bike_demand", present) if each.kind == "approval"]
    assert told.severity == "critical"
    assert "Version 2 waits for approval before it gets 5 % of the traffic." in told.text
    assert "`cyclone approve bike_demand --because '…'` lets it go on" in told.text
    (again,) = [each for each in note_messages(store, "bike_demand", present) if each.kind == "approval"]
    assert again == told


def test_a_decision_after_a_roll_back_or_a_newer_release_is_refused(
    cloud: Settings, store: Store, quick: ModelSpec, required: ModelSpec
) -> None:
    advance_canary(cloud, required, "run_2")
    return_traffic(cloud, required, "bob", "by hand (bob): complaints")
    with pytest.raises(ReleaseError, match=r"version 2 is rolled back already: by hand \(bob\): complaints"):
        decide(cloud, required, True, "ann", "yes", 2)
    deploy(cloud, quick, 3)
    advance_canary(cloud, required, "run_3")
    with pytest.raises(StaleReleaseError, match=r"version 2 does not wait .* version 3"):
        decide(cloud, required, True, "ann", "I still see version 2", 2)
    promote(cloud, quick, candidate_of_run(cloud, quick, "run_3"))
    with pytest.raises(StaleReleaseError, match="version 3 serves"):
        decide(cloud, required, False, "ann", "too late", 3)
    assert read_percents(cloud) == {"bike-demand-v3": 100}


def test_nothing_is_promoted_without_the_word_that_it_needs(cloud: Settings, store: Store, required: ModelSpec) -> None:
    with pytest.raises(ReleaseError, match=r"release\.approval is required and no person has approved it"):
        promote(cloud, required, candidate_of_run(cloud, required, "run_2"))
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    spec = ask_for(required, "canary_only")
    assert advance_canary(cloud, spec, "run_2").reason == "the candidate has 5 % of the traffic"
    promote_early(cloud, spec, "ann", "by hand (ann): I have looked")
    assert read_percents(cloud) == {"bike-demand-v2": 100}
    question = read_question(store, 2)
    assert (question.answer, question.answered_by) == ("approved", "ann")


def test_the_canary_goes_on_alone_and_is_judged_while_it_waits_for_all_traffic(
    cloud: Settings, store: Store, required: ModelSpec
) -> None:
    spec = ask_for(required, "canary_only")
    reach_the_last_share(cloud, store, spec)
    state = advance_canary(cloud, spec, "run_2")
    assert state.asks.startswith("Version 2 waits for approval before it gets 100 % of the traffic. Canary: ")
    assert read_percents(cloud) == {"bike-demand-v1": 50, "bike-demand-v2": 50}
    assert not advance_canary(cloud, spec, "run_2").is_over
    decide(cloud, spec, True, "ann", "yes", 2)
    assert not advance_canary(cloud, spec, "run_2").is_over
    assert advance_canary(cloud, spec, "run_2") == CanaryState(True, True, "went through 2 steps")
    promote(cloud, spec, candidate_of_run(cloud, spec, "run_2"))
    assert read_percents(cloud) == {"bike-demand-v2": 100}


def test_a_candidate_that_turns_out_bad_while_it_waits_is_rolled_back(
    cloud: Settings, store: Store, required: ModelSpec
) -> None:
    spec = ask_for(required, "canary_only")
    reach_the_last_share(cloud, store, spec)
    assert advance_canary(cloud, spec, "run_2").asks
    answer(store, "bike-demand-v2", flushes=20, failures=90)
    state = CanaryWatch(cloud, spec, "run_2").look()
    assert (state.is_over, state.is_passed) == (True, False)
    assert "failed requests" in state.reason
    assert read_percents(cloud) == {"bike-demand-v1": 100}


def test_the_first_release_of_a_model_waits_too(cloud: Settings, store: Store, quick: ModelSpec) -> None:
    spec = ask_for(quick, "canary_only")
    register_versions(cloud, 1)
    deploy(cloud, spec, 1)
    assert "before it gets 100 % of the traffic" in advance_canary(cloud, spec, "run_1").asks
    decide(cloud, spec, True, "ann", "yes")
    assert advance_canary(cloud, spec, "run_1").is_passed


def test_the_commands_answer_with_a_reason(
    cloud: Settings, store: Store, required: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(required, tmp_path / "models")
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", cloud.cloud_run_endpoint)
    app = typer.Typer()
    add_commands(app)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, ReleaseError):
            return str(done.exception)
        return done.output

    advance_canary(cloud, required, "run_2")
    assert "--because is empty. Say why" in run("approve", "bike_demand")
    assert "version 1 does not wait" in run("approve", "bike_demand", "--version", "1", "--because", "yes")
    assert run("approve", "bike_demand", "--because", "yes").startswith("version 2 of bike_demand is approved")
    assert "The first answer counts" in run("refuse", "bike_demand", "--because", "no")
    deploy(cloud, required, 3)
    advance_canary(cloud, required, "run_3")
    assert "is refused, and the champion has all traffic" in run("refuse", "bike_demand", "--because", "no")


def test_the_page_answers_for_the_version_that_was_seen(cloud: Settings, store: Store, required: ModelSpec) -> None:
    advance_canary(cloud, required, "run_2")
    with pytest.raises(StaleReleaseError, match="version 1 does not wait"):
        do(cloud, "approve", "bike_demand", "ann", "yes", [], 1)
    said = do(cloud, "approve", "bike_demand", "ann", "yes", [], 2)
    assert said == "Version 2 of bike_demand is approved. Its release goes on."
    assert (read_question(store, 2).answered_by, read_question(store, 2).because) == ("ann", "yes")


def test_the_page_shows_what_is_asked_and_offers_both_answers(
    cloud: Settings, store: Store, required: ModelSpec
) -> None:
    watch(store, "bike_demand")
    advance_canary(cloud, required, "run_2")
    visit = Visit(root="/cyclone", query={"run_id": "run_2"}, may_act=True)
    html = show_run(store, "bike_demand", visit)
    assert "Version 2 waits for approval before it gets 5 % of the traffic. Canary: not begun." in html
    assert html.count('<input type="hidden" name="version" value="2">') == 2
    assert "/models/bike_demand/approve" in html
    assert "/models/bike_demand/promote" not in html
    assert "/models/bike_demand/refuse" in show_model(store, "bike_demand", visit)
    assert "Version 2 waits for a person's approval".replace("'", "&#39;") in show_fleet(
        store, "/cyclone", ["bike_demand"], "person"
    )


def reach_the_last_share(settings: Settings, store: Store, spec: ModelSpec) -> None:
    """Let the first step of two pass, and the second have what it needs to pass."""
    advance_canary(settings, spec, "run_2")
    for _ in range(2):
        answer(store, "bike-demand-v1")
        answer(store, "bike-demand-v2")
        begin_earlier(store)
        if read_percents(settings)["bike-demand-v2"] == 5:
            advance_canary(settings, spec, "run_2")
            advance_canary(settings, spec, "run_2")
