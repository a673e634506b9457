"""The error tree: each error has a sentence for people, a stable code for programs, and advice."""

import inspect
import re

import pytest

from tailrace import errors
from tailrace.errors import ComeBackLater, ExtractionFailed, TailraceError

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, BaseException) and found.__module__ == errors.__name__
]
# Codes that several errors share because a caller shall not tell them apart.
SHARED = {"not_found"}


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_docstring_code_and_advice(error):
    assert issubclass(error, TailraceError)
    assert error.__doc__ is not TailraceError.__doc__ or error is TailraceError
    assert re.fullmatch(r"[A-Z][^\n]*[.](\n.*)?", inspect.getdoc(error), re.DOTALL), error.__doc__
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.advice[0].isupper() or error.advice[0] == "`"
    assert error.advice.endswith(".")


def test_codes_are_unique_where_they_should_be():
    codes = [error.code for error in CLASSES]
    assert {code for code in codes if codes.count(code) > 1} == SHARED


def test_message_and_details_are_kept():
    error = TailraceError("Nothing works.", details=("one", "two"))
    assert (str(error), error.message, error.details) == ("Nothing works.", "Nothing works.", ("one", "two"))
    assert TailraceError("x").details == ()


@pytest.mark.parametrize("error", [found for found in CLASSES if issubclass(found, ComeBackLater)])
def test_errors_that_pass_say_when(error):
    assert error("Later.", retry_after_seconds=7).retry_after_seconds == 7


def test_codes_stored_with_jobs_stay_as_they_are():
    stored = {error.__name__: error.code for error in CLASSES if issubclass(error, ExtractionFailed)}
    assert stored == {
        "ExtractionFailed": "internal",
        "SourceEmpty": "source_empty",
        "SourceUnavailable": "source_unavailable",
        "OutOfMemory": "out_of_memory",
        "EngineBroken": "engine_broken",
        "TookTooLong": "took_too_long",
        "ResultTooLarge": "result_too_large",
        "PermissionWithdrawn": "permission_withdrawn",
        "StorageUnavailable": "storage_unavailable",
    }
