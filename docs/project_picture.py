"""Draw ``project.png``, the sample's QGIS project as QGIS shows it: the view of the sink beside a page of the atlas.

Runs with the Python that QGIS brings (Debian: python3-qgis), after ``make zones``; says so where there is none.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
try:
    from qgis.core import (
        QgsApplication,
        QgsExpressionContext,
        QgsExpressionContextUtils,
        QgsLayoutExporter,
        QgsMapRendererSequentialJob,
        QgsMapSettings,
        QgsProject,
    )
    from qgis.PyQt.QtCore import QSize
    from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter
except ImportError:
    sys.exit("docs/project.png is left as it is: no QGIS for Python is here (Debian: apt-get install python3-qgis)")

ROOT = Path(__file__).parent.parent
PROJECT = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "sample" / "sample.qgz"
VIEW, PAGE_ZONE = "碳汇强度", "F05"
HEIGHT = 760


def view(project: QgsProject) -> QImage:
    """The map of the view whose name begins with `VIEW`, over all zones, under that name."""
    themes = project.mapThemeCollection()
    name = next(name for name in themes.mapThemes() if name.startswith(VIEW))
    settings = QgsMapSettings()
    settings.setLayers(themes.mapThemeVisibleLayers(name))
    settings.setDestinationCrs(project.crs())
    settings.setTransformContext(project.transformContext())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(HEIGHT * 3 // 4, HEIGHT))
    settings.setOutputDpi(72)
    extent = settings.fullExtent()
    extent.scale(1.05)
    settings.setExtent(extent)
    scale = QgsExpressionContext()  # which labels ask for
    scale.appendScope(QgsExpressionContextUtils.mapSettingsScope(settings))
    settings.setExpressionContext(scale)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    picture = job.renderedImage()
    painter = QPainter(picture)
    for y, size, words in ((HEIGHT - 36, 12, name), (HEIGHT - 16, 9, "浅色：像元变化不显著")):
        painter.setFont(QFont("Noto Sans CJK SC", size))
        painter.drawText(12, y, words)
    painter.end()
    return picture


def atlas_page(project: QgsProject) -> QImage:
    """The page of `PAGE_ZONE` of the project's atlas."""
    layout = project.layoutManager().layouts()[0]
    atlas = layout.atlas()
    atlas.beginRender()
    for page in range(atlas.count()):
        atlas.seekTo(page)
        if PAGE_ZONE in atlas.currentFilename() + str(atlas.nameForPage(page)):
            break
    return QgsLayoutExporter(layout).renderPageToImage(0, dpi=110).scaledToHeight(HEIGHT, 1)


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    if not project.read(str(PROJECT)):
        sys.exit(f"{PROJECT}: no project is there; run `make zones` first")
    left, right = view(project), atlas_page(project)
    picture = QImage(left.width() + right.width() + 12, HEIGHT, QImage.Format_RGB32)
    picture.fill(QColor("#8a8a8a"))
    painter = QPainter(picture)
    painter.drawImage(0, 0, left)
    painter.drawImage(left.width() + 12, 0, right)
    painter.end()
    picture.save(str(ROOT / "docs" / "project.png"))
    application.exitQgis()


if __name__ == "__main__":
    main()
