"""Folders of faces on disk."""

from pathlib import Path

from tests.support.pictures import CORPUS, draw

CORPUS_FACES = 127


def write_faces(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"face-{seed:03}.jpg" for seed in range(count)]
    for seed, path in enumerate(paths):
        path.write_bytes(draw(seed))
    return paths


def find_or_draw_corpus(folder: Path) -> Path:
    """A folder of 127 photos and a text file: the corpus, or drawn ones where it is missing."""
    if (CORPUS / "faces").is_dir():
        return CORPUS / "faces"
    write_faces(folder, CORPUS_FACES)
    (folder / "MANIFEST.txt").write_text("Not a picture, but a list of them. " * 50)
    return folder
