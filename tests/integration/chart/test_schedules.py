"""Which schedules of passes the chart takes. tests/unit/repository/test_schedules.py simulates a month of each."""

from __future__ import annotations

import pytest

from tests.support.cron import ACCEPTED, REFUSED
from tests.support.harness.helm import HelmError, Values, render


def passes(**values: object) -> Values:
    return {"mode": "cronjob", "cronJob": values}


def test_schedules_that_leave_time_for_a_pass_that_fails_are_taken() -> None:
    for schedule in ACCEPTED:
        (found,) = (each for each in render(passes(schedule=schedule)) if each["kind"] == "CronJob")
        assert found["spec"]["schedule"] == schedule
    render({"cronJob": {"schedule": "0 0 * * *"}})  # where there are no passes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        *(({"schedule": schedule}, "a token may have to last [0-9]+ minutes") for schedule in REFUSED),
        (
            {"schedule": "0 */5 * * *", "activeDeadlineSeconds": 7200},
            "130 of them are for passes that are late or slow",
        ),
        ({"schedule": "0 */5 * * *", "startingDeadlineSeconds": 7200}, "150 of them are for"),
        ({"schedule": "0 */5 * * *", "timeZone": "Europe/Berlin"}, "an hour at the end of summer time"),
        ({"schedule": "0 */3 * * 1-5"}, "leaves days without a pass"),
        ({"schedule": "@daily"}, "is not understood; write minutes, hours"),
        ({"schedule": "@every 3h"}, "is not understood"),
        ({"schedule": "TZ=UTC 0 */3 * * *"}, "is not understood"),
        ({"schedule": "0 24 * * *"}, "is not understood"),
    ],
)
def test_others_are_refused_with_what_to_write(values: dict, words: str) -> None:
    with pytest.raises(HelmError, match=f'cronJob.schedule: .*{words}.* such as "17 \\*/3 \\* \\* \\*"'):
        render(passes(**values))
