"""Gzip, by isal: the header has no time in it, so the same text gives the same bytes."""

from isal import isal_zlib

from tailrace.worker.packing.base import Compressor, Means, Packer, Sink, ThreadedPacker, leave_as_it_is

# The level beyond which a result takes longer without getting much smaller.
_LEVEL = 1
_FORM = 16 + isal_zlib.MAX_WBITS

as_rendered = leave_as_it_is


def compressor() -> Compressor:
    """Make what compresses one object."""
    made: Compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _FORM)
    return made


def open_packer(sink: Sink, means: Means) -> Packer:  # noqa: ARG001 a packing's face
    """Begin to compress."""
    return ThreadedPacker(compressor(), sink)
