"""What `/metrics` tells Prometheus; numbers alone, no text of anybody."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # s


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        where = {"registry": self.registry, "namespace": "lipscribe"}
        self.requests = Counter("requests", "Requests answered.", ("route", "method", "status"), **where)
        self.seconds = Histogram(
            "request_seconds", "From a request's head to the end of its answer.", ("route",), buckets=BUCKETS, **where
        )
        self.uploads = Gauge("uploads", "Uploads that come in now.", **where)
        self.upload_bytes = Counter("upload_bytes", "Bytes of uploads.", **where)
        self.jobs = Gauge("jobs", "Requests that wait for a worker or have one.", **where)
        self.refused = Counter("refused", "Requests refused since the queue was full.", **where)
        self.left = Counter("left", "Requests whose client left before the answer.", **where)
        self.video_seconds = Counter("video_seconds", "Seconds of video read.", **where)
        self.models = Gauge("models", "Models in memory.", **where)
        self.streams = Gauge("streams", "Live streams that are open.", **where)
        self.frames = Counter("frames", "Frames of live streams read.", **where)
        self.dropped = Counter("frames_dropped", "Frames of live streams dropped.", **where)
