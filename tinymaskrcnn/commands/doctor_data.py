"""`tinymaskrcnn doctor --data annotations.json`: what is wrong with annotated pictures, and with anchors.

The check is that of `data check`. Broken entries are drawn where the file says that they are, as it says it.
"""

from pathlib import Path


def is_file(path):
    """Whether --data names a file of annotations, and no folder with MNIST."""
    return path is not None and (Path(path).is_file() or Path(path).suffix.lower() == ".json")


def run(path, images, *, decode=None, out="doctor.png"):
    """0 when nothing is wrong, 1 otherwise."""
    from ..config import photograph_preset
    from ..data.coco_check import check_coco, fit_to_model
    from ..errors import ArgumentError
    from ..train.data_doctor import drawn_cases, examine_anchors, examine_annotations
    from ..visualize import broken_figure, coverage_figure, save_figure

    path, folder = Path(path), Path(images) if images else Path(path).parent
    if not folder.is_dir():
        raise ArgumentError(f"--images must be the folder of the pictures; got {str(folder)!r}")
    if Path(out).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ArgumentError(f"--out must end in .png, .pdf or .svg; got {out!r}")
    model = photograph_preset(("background",))
    report = fit_to_model(check_coco(path, folder, decode=decode), model)
    fit, poor, sizes = examine_anchors(report, model)
    found = [*examine_annotations(report), *poor]
    print(report.table())
    for note in report.notes:
        print(f"note: {note}")
    print(f"\n{fit.table()}\nby k-means: {sizes}\n" if len(fit) else "")
    for finding in found:
        print(f"!!  {finding}")
    written = []
    if report.problems:
        cases = drawn_cases(report, folder)
        written.append(save_figure(broken_figure(cases, left=len(report.problems) - len(cases)), out))
    if len(fit):
        written.append(save_figure(coverage_figure(fit), Path(out).with_stem(f"{Path(out).stem}-anchors")))
    print("nothing conspicuous" if not found else f"{len(found)} finding{'s' * (len(found) > 1)}")
    if written:
        print(f"wrote {' and '.join(map(str, written))}")
    return 1 if found else 0
