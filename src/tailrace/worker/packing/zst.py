"""Zstandard in one frame, with a checksum."""

import sys

from tailrace.worker.packing.base import Means, Packer, Sink, ThreadedPacker, leave_as_it_is

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor
else:
    from backports.zstd import CompressionParameter, ZstdCompressor

# Smaller than gzip at a cost that does not show beside the rendering; the next levels take a core of their own.
_LEVEL = 1

as_rendered = leave_as_it_is


def open_packer(sink: Sink, means: Means) -> Packer:  # noqa: ARG001 a packing's face
    """Begin to compress."""
    wanted: dict[int, int] = {CompressionParameter.compression_level: _LEVEL, CompressionParameter.checksum_flag: 1}
    return ThreadedPacker(ZstdCompressor(options=wanted), sink)
