"""Reading while somebody speaks: frames as they come -> tentative, then committed words."""

from lipscribe.streaming.framing import Framing
from lipscribe.streaming.reading import LiveReader, StreamUpdate
from lipscribe.streaming.stream import Stream, read_stream

__all__ = ["Framing", "LiveReader", "Stream", "StreamUpdate", "read_stream"]
