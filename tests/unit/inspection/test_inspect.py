import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lipscribe.errors import LipscribeError, NoFaceError, VideoError
from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.inspection import inspect_video, write_inspection
from lipscribe.inspection.sampling import NUM_SAMPLES, Sampler
from lipscribe.inspection.verdict import judge_source, overall
from lipscribe.inspection.write import NO_FACE_GREY
from lipscribe.mouth import crop_mouth
from lipscribe.mouth.measures import inside_picture, measure_light, measure_motion, measure_shape
from lipscribe.mouth.quality import FaceQuality, judge_face
from lipscribe.video import Video, save_video

GOOD_FACE = FaceQuality(1.0, 40.0, 38.0, 0.34, 5.0, 5.0, 0.0, 140.0, 24.0, 0.25, 0.0)


def planted_face(centre=(80, 60), eyes=48.0, yaw=0.0, roll=0.0, opening=0.05):
    """(L, 2) float32 landmarks of a face seen from afar: eyes, nose and mouth of MediaPipe's canonical face model.

    `opening` is in eye distances, angles are in degrees; all points of the oval lie on an ellipse.
    """
    points = np.zeros((lm.NUM_LANDMARKS, 3))
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    points[lm.OVAL] = np.stack([7.5 * np.sin(angles), 9 - 9 * np.cos(angles) - 6, 0 * angles], -1)
    for index, place in {
        lm.RIGHT_EYE_OUTER: (-4.446, 0.0, 3.173),
        lm.RIGHT_EYE_INNER: (-1.856, 0.0, 3.758),
        lm.LEFT_EYE_OUTER: (4.446, 0.0, 3.173),
        lm.LEFT_EYE_INNER: (1.856, 0.0, 3.758),
        lm.NOSE_BRIDGE: (0, -0.5, 5.0),
        lm.NOSE_TIP: (0, 3.79, 7.476),
        lm.NOSE_BASE: (0, 5.2, 6.0),
        lm.NOSTRIL_RIGHT: (-1.8, 5.0, 5.0),
        lm.NOSTRIL_LEFT: (1.8, 5.0, 5.0),
    }.items():
        points[index] = place
    ring = np.linspace(-np.pi, np.pi, 20, endpoint=False)
    for part, height in ((lm.LIPS_OUTER, 0.8), (lm.LIPS_INNER, opening * 6.302 / 2)):
        points[part] = np.stack([2.456 * np.cos(ring), 7.0 + height * np.sin(ring), 4.5 + 0 * ring], -1)
    points[[lm.LIP_INNER_TOP, lm.LIP_INNER_BOTTOM]] = [(0, 7 - opening * 3.151, 4.5), (0, 7 + opening * 3.151, 4.5)]
    turn, tilt = np.radians([yaw, roll])
    flat = np.stack([points[:, 0] * np.cos(turn) + points[:, 2] * np.sin(turn), points[:, 1]], -1)
    flat = flat @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return (flat * eyes / 6.302 + centre).astype(np.float32)


class PlantedDetector:
    """Gives the faces planted for each frame, whatever the picture."""

    def __init__(self, faces):
        self.faces = faces
        self.frame_idx = -1

    def detect(self, frame):
        self.frame_idx += 1
        return [face.copy() for face in self.faces[self.frame_idx]]

    def reset(self):
        pass


def talking(num_frames, **face):
    """One face a frame, which opens and shuts its mouth twice a second."""
    openings = 0.06 + 0.06 * np.sin(np.arange(num_frames) / 25 * 4 * np.pi)
    return [[planted_face(opening=opening, **face)] for opening in openings]


def texture(height=160, width=160, seed=0):
    """(H, W, 3) uint8 with details of all sizes, as pictures have."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(0, 1, (height // k, width // k)), (width, height)) * k for k in (1, 2, 4, 8, 16)]
    grey = 128 + 1.5 * sum(layers)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, -1)


@pytest.fixture
def film(tmp_path):
    """Writes frames to a video file."""

    def write(num_frames=50, picture=None, fps=25.0, name="film.mp4"):
        path = tmp_path / name
        save_video(path, [texture() if picture is None else picture] * num_frames, fps)
        return path

    return write


def messages(inspection):
    return [finding.text for finding in inspection.findings]


# What is measured


@pytest.mark.parametrize("yaw", [-50, -20, 0, 10, 35, 60])
@pytest.mark.parametrize("roll", [-30, 0, 80])
def test_yaw_and_roll_of_a_planted_face(yaw, roll):
    face = planted_face(yaw=yaw, roll=roll)
    _, found_yaw, found_roll = measure_shape(face[None])[0]
    assert found_yaw == pytest.approx(yaw, abs=1.0)
    assert found_roll == pytest.approx(roll, abs=0.1)


def test_mouth_width_is_in_source_pixels():
    face = planted_face(eyes=40)
    assert measure_shape(face[None], scale=2.5)[0, 0] == pytest.approx(2.5 * 40 * 2 * 2.456 / 6.302, rel=1e-3)


def test_sharpness_falls_with_blur_alone():
    crop = texture(96, 96)[..., 0]

    def sharpness(crop):
        return measure_light(crop)[0]

    sharp = sharpness(crop)
    blurred = [sharpness(cv2.GaussianBlur(crop, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert sharp > blurred[0] > blurred[1] > blurred[2]
    assert sharpness(crop // 2 + 60) == pytest.approx(sharp, rel=0.05)
    noise = np.random.default_rng(0).normal(0, 1.5, crop.shape)
    noisy = np.clip(cv2.GaussianBlur(crop, (0, 0), 4) + noise, 0, 255).astype(np.uint8)
    assert sharpness(noisy) < blurred[0]


def test_an_even_picture_has_neither_sharpness_nor_contrast():
    assert measure_light(np.full((96, 96), 90, np.uint8)) == (0, 90, 0, 0)


def test_noise_in_the_dark_is_no_contrast():
    noise = np.random.default_rng(0).normal(4, 6, (96, 96))
    noisy = np.clip(noise, 0, 255).astype(np.uint8)
    _, brightness, contrast, _ = measure_light(noisy)
    assert noisy.std() > 4
    assert contrast < 2
    assert brightness == pytest.approx(noisy.mean())


@pytest.mark.parametrize("filling", [0, 255, 90])
def test_what_lies_outside_the_picture_is_left_out_whatever_it_is_filled_with(filling):
    crop = texture(96, 96)[..., 0]
    inside = np.zeros((96, 96), bool)
    inside[:, 48:] = True
    filled = np.where(inside, crop, filling).astype(np.uint8)
    sharpness, brightness, contrast, outside = measure_light(filled, inside)
    whole = measure_light(crop, inside)
    assert outside == 0.5
    assert sharpness == pytest.approx(whole[0], rel=0.01)
    assert brightness == pytest.approx(crop[:, 60:].mean())
    assert contrast == pytest.approx(whole[2], rel=0.01)


def test_black_pixels_inside_the_picture_are_measured():
    crop = np.zeros((96, 96), np.uint8)
    crop[:, 80:] = 200
    inside = np.ones((96, 96), bool)
    inside[:4] = False
    assert measure_light(crop, inside)[1] == pytest.approx(200 * 16 / 96)
    assert measure_light(crop, np.zeros((96, 96), bool)) == (0, 0, 0, 1)


def test_share_of_the_crop_inside_the_picture():
    aligned = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert inside_picture(aligned, 96, 96).all()
    left = np.array([[1.0, 0, 48], [0, 1, 0]])  # the picture begins in the middle of the crop
    inside = inside_picture(left, 96, 96)
    assert inside[:, 48:].all()
    assert not inside[:, :48].any()
    assert inside_picture(left * 2, 20, 20).mean() < 0.2
    assert not inside_picture(np.array([[1.0, 0, 500], [0, 1, 0]]), 96, 96).any()


def test_motion_is_that_of_the_liveliest_moments():
    def track(openings):
        landmarks = np.stack([planted_face(opening=opening) for opening in openings])
        return FaceTrack(0, 0, 0, landmarks, 25.0)

    times = np.arange(100) / 25
    speech, silence = 0.06 + 0.06 * np.sin(4 * np.pi * times), np.full(500, 0.02)
    alone = measure_motion((track(speech),))
    assert alone > 0.2
    assert measure_motion((track(np.concatenate([silence, speech])),)) == pytest.approx(alone, rel=0.3)
    assert measure_motion((track(silence),)) < 0.01
    assert measure_motion((track(speech[:10]),)) is None


@pytest.mark.parametrize("num_frames", [1, 2, 7, 24, 100, 5000])
def test_samples_are_few_and_evenly_spread(num_frames):
    sampler = Sampler()
    frame = np.zeros((4, 6, 3), np.uint8)
    assert sum(1 for _ in sampler.watch(frame for _ in range(num_frames))) == num_frames
    places = [sample.frame_idx for sample in sampler.samples()]
    assert len(places) == min(num_frames, NUM_SAMPLES)
    assert (sampler.num_frames, sampler.frame_width) == (num_frames, 6)
    if num_frames >= 24:
        steps = np.diff([-places[0], *places, 2 * num_frames - places[-1]])  # half a step at either end
        assert steps.min() > 0.4 * num_frames / NUM_SAMPLES
        assert steps.max() < 2 * num_frames / NUM_SAMPLES
        assert len(sampler._kept) <= 4 * NUM_SAMPLES


def test_samples_of_large_frames_are_made_smaller():
    sampler = Sampler()
    list(sampler.watch([np.zeros((100, 1280, 3), np.uint8)]))
    (sample,) = sampler.samples()
    assert sample.picture.shape == (50, 640, 3)
    assert sample.scale == 0.5


# What it means


@pytest.mark.parametrize(
    ("change", "severity", "message"),
    [
        ({"mouth_px": 22.0}, "bad", r"mouth 22 px wide \(wanted: 35 px\): expect garbage; move closer"),
        ({"mouth_px": 33.0}, "doubtful", "mouth 33 px wide .* expect more errors"),
        ({"coverage": 0.41}, "bad", r"face in 41% of the frames \(wanted: 90%\)"),
        ({"coverage": 0.8}, "doubtful", "face in 80% of the frames"),
        ({"sharpness": 0.1}, "bad", r"mouth blurred, sharpness 0\.10 .* focus"),
        ({"away_deg": 38.0}, "bad", r"head turned 38 degrees away \(wanted: at most 20\): face the camera"),
        ({"away_deg": 25.0}, "doubtful", "head turned 25 degrees away"),
        ({"contrast": 1.0, "brightness": 90.0}, "bad", "contrast 1.0 grey levels .* mean of 90 of 255: .* more light"),
        ({"contrast": 1.0, "brightness": 250.0}, "bad", "less light"),
        (
            {"brightness": 9.0},
            "bad",
            r"mouth almost black, a mean of 9 of 255 \(wanted: 30\): give the face more light",
        ),
        ({"brightness": 25.0}, "doubtful", "mouth dark, a mean of 25 of 255"),
        ({"outside": 0.4}, "bad", "40% of what is cut out around the mouth lies outside the picture"),
        ({"motion": 0.02}, "bad", r"mouth never moves \(0\.02 .* nobody is speaking, or it is the wrong face"),
        ({"motion": 0.06}, "doubtful", "mouth hardly moves"),
        ({"mouth_px": None}, "bad", "the face is there for a moment only"),
    ],
)
def test_each_measure_has_its_finding(change, severity, message):
    (finding,) = judge_face(replace(GOOD_FACE, **change), 75)
    assert finding.severity == severity
    assert re.search(message, finding.text)
    assert finding.value == next(iter(change.values())) or finding.value is None


def test_a_good_face_has_no_finding_and_none_at_all_is_bad():
    assert list(judge_face(GOOD_FACE, 75)) == []
    (finding,) = judge_face(None, 75)
    assert (finding.severity, finding.measure) == ("bad", "face")
    assert finding.text.startswith("no face found in 75 frames: ")


def test_slow_films_are_bad_and_warnings_are_doubtful():
    assert list(judge_source(25.0, 25.0, [])) == []
    (finding,) = judge_source(12.0, 25.0, [])
    assert finding.severity == "bad"
    assert finding.text.startswith("12 fps: far under the model's 25; words will be lost; film at 25 or more")
    (finding,) = judge_source(12.0, 25.0, ["slow"], "slow")  # it says the same in mild words
    assert finding.measure == "fps"
    assert len(list(judge_source(12.0, 25.0, ["pictures a second, where", "slow"], "slow"))) == 2
    warned = list(judge_source(24.0, 25.0, ["cut off"]))
    assert [(f.severity, f.text) for f in warned] == [("doubtful", "cut off")]
    assert (overall([]), overall(warned), overall([finding, *warned])) == ("good", "doubtful", "bad")


# The whole way


def test_a_face_that_can_be_read(film):
    inspection = inspect_video(film(), detector=PlantedDetector(talking(50, yaw=8)))
    assert (inspection.verdict, messages(inspection)) == ("good", [])
    assert (inspection.num_frames, inspection.duration, inspection.most_at_once) == (50, 2.0, 1)
    assert inspection.promised_duration == pytest.approx(2.0, abs=0.05)
    (face,) = inspection.faces
    assert (face.id, face.shot, face.start, face.end, face.chosen) == (0, 0, 0.0, 2.0, True)
    assert face.quality == inspection.quality
    quality = inspection.quality
    assert quality.coverage == 1
    assert quality.yaw_deg == pytest.approx(8, abs=1)
    assert quality.mouth_px == pytest.approx(48 * 2 * 2.456 / 6.302 * np.cos(np.radians(8)), rel=0.01)
    assert quality.brightness == pytest.approx(128, abs=20)


def test_mouth_width_of_a_video_that_is_read_smaller(film):
    path = film(12, np.repeat(np.repeat(texture(), 3, 0), 24, 1))  # 3840 x 480, read at 1920 x 240
    inspection = inspect_video(path, detector=PlantedDetector(talking(12)))
    assert inspection.info.width == 3840
    assert inspection.quality.mouth_px == pytest.approx(2 * 48 * 2 * 2.456 / 6.302, rel=0.01)


def test_blurred_copy_is_called_blurred(film):
    blurred = cv2.GaussianBlur(texture(), (0, 0), 3)
    inspection = inspect_video(film(picture=blurred), detector=PlantedDetector(talking(50)))
    assert inspection.verdict != "good"
    assert [finding.measure for finding in inspection.findings] == ["sharpness"]


def test_mouth_that_never_moves(film):
    inspection = inspect_video(film(), detector=PlantedDetector([[planted_face()]] * 50))
    assert [finding.measure for finding in inspection.findings] == ["motion"]


def test_gap_is_counted_and_shown_as_no_face(film, tmp_path):
    faces = talking(100)
    faces[20:80] = [[]] * 60
    inspection = inspect_video(film(100), detector=PlantedDetector(faces))
    assert inspection.quality.coverage == 0.4
    assert [sample.crop is None for sample in inspection.material.samples].count(True) >= 2
    *_, crops = write_inspection(inspection, tmp_path / "report")
    frames = Video(crops).read()
    assert frames.shape == (100, 384, 384, 3)
    assert abs(frames[50].astype(int) - NO_FACE_GREY).max() < 5
    assert frames[10].std() > 10


def test_two_people_and_the_choice_between_them(film):
    still = planted_face(centre=(240, 60))
    faces = [[still, talker] for (talker,) in talking(50)]
    path = film(picture=texture(width=320))
    inspection = inspect_video(path, detector=PlantedDetector(faces))
    assert (len(inspection.faces), inspection.most_at_once, inspection.verdict) == (2, 2, "good")
    assert messages(inspection)[0].startswith("2 faces at once: the one whose mouth moves most is read")
    (talker,) = [face for face in inspection.faces if face.chosen]
    (other,) = [face for face in inspection.faces if not face.chosen]
    assert talker.quality.motion > other.quality.motion
    chosen = inspect_video(path, face=other.id, detector=PlantedDetector(faces))
    assert [finding.measure for finding in chosen.findings] == ["motion"]
    with pytest.raises(NoFaceError, match="no face '7'"):
        inspect_video(path, face=7, detector=PlantedDetector(faces))


def test_crop_outside_the_picture(film):
    inspection = inspect_video(film(), detector=PlantedDetector(talking(50, centre=(80, 118))))
    (finding,) = inspection.findings
    assert finding.measure == "outside"
    assert 0.2 < finding.value < 0.8
    assert inspection.quality.brightness == pytest.approx(128, abs=25)


@pytest.mark.slow
def test_crops_are_those_that_the_model_reads(film, tmp_path):
    faces = talking(30, centre=(80, 110))
    path = film(30)
    ours = inspect_video(path, detector=PlantedDetector(faces))
    theirs = inspect_video(path, detector=PlantedDetector(faces), crop="auto-avsr")
    assert (ours.crop, theirs.crop) == ("lipscribe", "auto-avsr")
    assert theirs.quality.brightness == pytest.approx(ours.quality.brightness, abs=10)  # black borders are left out
    for inspection in (ours, theirs):
        frames = Video(path)
        (run,) = inspection.material.chosen[0].runs()
        crops = crop_mouth(frames, run, inspection.crop)
        sample = inspection.material.samples[2]
        np.testing.assert_array_equal(sample.crop, crops[sample.frame_idx])
        *_, written = write_inspection(inspection, tmp_path / inspection.crop)
        shown = cv2.resize(Video(written).read()[15], (96, 96), interpolation=cv2.INTER_AREA)[..., 0]
        assert abs(shown.astype(int) - crops[15]).mean() < 8


def test_a_video_that_is_almost_black_is_bad(film):
    rng = np.random.default_rng(0)
    frames = [np.clip(texture() * 0.05 + rng.normal(0, 6, (160, 160, 1)), 0, 255).astype(np.uint8) for _ in range(50)]
    path = film(name="dark.mp4")
    save_video(path, frames, 25.0)
    inspection = inspect_video(path, detector=PlantedDetector(talking(50)))
    assert inspection.verdict == "bad"
    assert {finding.measure for finding in inspection.findings} & {"brightness", "contrast"}


def test_progress_is_reported_of_both_passes(film):
    seen = []
    path = film(10)
    inspect_video(path, detector=PlantedDetector(talking(10)), progress=lambda *report: seen.append(report))
    assert [report for report in seen if report[1] == 10] == [("faces", 10, 10), ("mouths", 10, 10)]


def test_source_slower_than_the_model(film):
    inspection = inspect_video(film(fps=12.5), detector=PlantedDetector(talking(101)))
    assert inspection.verdict == "bad"
    assert messages(inspection)[0].startswith("12.5 fps: far under the model's 25")
    assert inspection.duration == pytest.approx(4.0, abs=0.05)


def test_no_face_is_a_finding_with_pictures(film, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "crops.mp4").write_bytes(b"of an earlier video")
    inspection = inspect_video(film(), detector=PlantedDetector([[]] * 50))
    assert (inspection.verdict, inspection.faces, inspection.quality) == ("bad", (), None)
    written = write_inspection(inspection, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["contact-sheet.png", "inspection.json"]
    assert written == [folder / "inspection.json", folder / "contact-sheet.png"]


def test_a_face_for_a_moment_only(film, tmp_path):
    inspection = inspect_video(film(1), detector=PlantedDetector(talking(1)))
    assert inspection.verdict == "bad"
    assert messages(inspection) == ["the face is there for a moment only: nothing can be read in so few frames"]
    assert len(write_inspection(inspection, tmp_path / "report")) == 2


def test_report_is_json_with_the_verdict_first(film, tmp_path):
    inspection = inspect_video(film(), detector=PlantedDetector(talking(50)))
    report, sheet, crops = write_inspection(inspection, tmp_path / "new" / "report")
    record = json.loads(report.read_text(encoding="utf-8"))
    assert next(iter(record)) == "verdict"
    assert record == json.loads(json.dumps(inspection.to_dict(), allow_nan=False))
    assert record["info"]["fps"] == 25.0
    assert record["faces"][0]["quality"]["coverage"] == 1.0
    assert "material" not in record
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] > 1200
    assert picture.std() > 20
    assert len(list(Video(crops))) == 50


def test_a_name_with_commands_and_other_scripts(film, tmp_path):
    inspection = inspect_video(film(10, name="$x$_\\frac 漢字.mp4"), detector=PlantedDetector(talking(10)))
    assert len(write_inspection(inspection, tmp_path / "report")) == 3


def test_unwritable_folder_and_missing_video_are_one_line(film, tmp_path):
    inspection = inspect_video(film(10), detector=PlantedDetector(talking(10)))
    with pytest.raises(LipscribeError, match=r"film\.mp4 cannot be written .*give another folder"):
        write_inspection(inspection, tmp_path / "film.mp4")
    with pytest.raises(VideoError, match="gone"):
        inspect_video(tmp_path / "gone.mp4")


def test_a_grid_clip_is_good_and_its_blurred_copy_is_not(tmp_path, grid_root):
    clip = grid_root / "video" / "s1" / "bgan6p.mpg"  # of lively lips: blurred, others seem to move too little as well
    inspection = inspect_video(clip)
    assert (inspection.verdict, messages(inspection)) == ("good", [])
    assert inspection.quality.mouth_px == pytest.approx(40, abs=2)
    assert (inspection.num_frames, len(inspection.faces)) == (75, 1)
    save_video(tmp_path / "blurred.mp4", [cv2.GaussianBlur(frame, (0, 0), 3) for frame in Video(clip)], 25.0)
    blurred = inspect_video(tmp_path / "blurred.mp4")
    assert [finding.measure for finding in blurred.findings] == ["sharpness"]


def test_a_grid_clip_filmed_from_afar_has_too_small_a_mouth(tmp_path, grid_root):
    clip = Video(grid_root / "video" / "s1" / "bbal7s.mpg")
    small = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in clip]
    save_video(tmp_path / "small.mp4", small, 25.0)
    inspection = inspect_video(tmp_path / "small.mp4")
    assert inspection.verdict == "bad"
    assert inspection.quality.mouth_px == pytest.approx(20, abs=1)
    assert re.match(r"mouth \d+ px wide \(wanted: 35 px\): expect garbage", messages(inspection)[0])
