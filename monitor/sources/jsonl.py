"""Files of JSON lines."""

from __future__ import annotations

from pathlib import Path

from monitor.sources import jsonlines
from monitor.sources.text import Decoded, TextSource


class JsonLinesSource(TextSource):
    """Reads one JSON object a line, plain or gzip; a line that is still being written waits for its other half."""

    endings = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")

    def decode(self, data: bytes, heading: bytes, path: Path) -> Decoded:
        """Decode whole lines."""
        return jsonlines.decode(data, self.ends(data))
