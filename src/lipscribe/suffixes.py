"""Names of video files, by which they are found in a folder."""

SUFFIXES = frozenset(
    "3gp asf avi dv flv gif m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm webp wmv y4m".split()  # noqa: SIM905
)
