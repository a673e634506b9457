"""From a request to what writes its result: the format whose text is rendered, and what packs it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tailrace.formats.base import Field, Format
from tailrace.jobs.kinds import split_kind
from tailrace.jobs.model import Request
from tailrace.plugins import load_plugin
from tailrace.worker.packing.base import Means, OpenPacker


def choose_shape(
    request: Request, specials: Mapping[str, Sequence[str]], scratch: str, packing_mb: int
) -> tuple[Format, OpenPacker | None]:
    """Make the format, told what texts may hold, and the packing if there is one.

    `packing_mb` is memory for packing where much is known to be needed; 0 asks for as little as will usually do.
    """
    text, packing = split_kind(request.format)
    fields = tuple(_knowing(field, specials.get(field.source)) for field in request.fields)
    if not packing:
        return _make_format(text, fields, request.options), None
    module = load_plugin("tailrace.worker.packing", packing)
    rendered, options = module.as_rendered(fields, request.options)
    means = Means(fields, scratch, packing_mb)
    return _make_format(text, rendered, options), partial(module.open_packer, means=means)


def _knowing(field: Field, specials: Sequence[str] | None) -> Field:
    return replace(field, specials=None if specials is None else tuple(specials))


def _make_format(name: str, fields: Sequence[Field], options: Mapping[str, Any]) -> Format:
    made: Format = load_plugin("tailrace.formats", name).create(fields, options)
    return made
