"""Frames -> face tracks."""

from lipscribe.faces.detector import FaceDetector, load_face_detector
from lipscribe.faces.tracking import FaceTrack, choose_faces, track_faces

__all__ = ["FaceDetector", "FaceTrack", "choose_faces", "load_face_detector", "track_faces"]
