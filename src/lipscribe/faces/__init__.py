"""Frames -> face tracks: who is in the picture, where the lips are, and whose mouth moves."""

from lipscribe.faces.detector import FaceDetector, load_face_detector
from lipscribe.faces.track import FaceTrack, choose_faces
from lipscribe.faces.tracking import track_faces

__all__ = ["FaceDetector", "FaceTrack", "choose_faces", "load_face_detector", "track_faces"]
