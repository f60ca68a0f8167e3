"""The page's drawings: Altair makes them, vl-convert turns them into SVG that needs no script.

Every mark that stands for a region carries data-r, its code: script.js and style.css find it so.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from pipeline.messages import Problem
from pipeline.page.texts import month
from pipeline.rankings import Row

SVG = "http://www.w3.org/2000/svg"
TOP = 5
GREY, LABEL = "#c4c9cf", "#4b535d"
# Dark enough to be read as text, told apart by the colour-blind, and dashed apart besides.
COLOURS = ("#0068a6", "#b34700", "#00704f", "#a3457f", "#6f5500")
DASHES: tuple[list[int], ...] = ([1, 0], [9, 4], [2, 3], [12, 3, 2, 3], [5, 2])
ROW, WIDTH, TILE = 18, 960, (108, 58)
NAME_FITS, VALUE_FITS, SQUEEZED = 16, 12, 98  # letters that a tile holds; px of a longer text
NOISE = ("role", "aria-roledescription", "aria-hidden", "pointer-events", "stroke-miterlimit",
         "font-family")  # fmt: skip
BOUNDS, LETTER = (960, 560), 6.5  # px of the map of boundaries, and of a letter on it
NOTHING = {"transform": "translate(0,0)"}
DEFAULTS = {"opacity": "1", "stroke-dasharray": "1,0"}
BINS = (-25, -5, 5, 25)  # growth in per cent; at or above the last is the fifth class


@dataclass(frozen=True)
class Mark:
    """What the map tells of a region: its growth in words, and the class of its colour."""

    name: str
    growth: str
    colour: str
    is_ranked: bool

    @property
    def value(self) -> str:
        return self.growth if self.is_ranked or self.growth == "–" else f"({self.growth})"


@dataclass(frozen=True)
class Map:
    """A drawing; regions whose shapes are too small for a name bear numbers."""

    svg: Markup
    is_tiles: bool
    numbered: dict[str, int] = field(default_factory=dict)


def growth_class(row: Row) -> str:
    """The map's class of a row: b0 (fell most) to b4; bn where there is nothing to show."""
    growth = row["growth_pct"]
    return "bn" if growth is None else f"b{sum(growth >= limit for limit in BINS)}"


def sparkline(values: list[Any]) -> str:
    """The path of a line in a box of 96 × 20, from the smallest to the largest; gaps where None."""
    known = [float(value) for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    step, height = 96 / (len(values) - 1), (high - low) or 1.0
    path, pen = [], "M"
    for at, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{at * step:.0f},{19 - 18 * (float(value) - low) / height:.1f}")
        pen = "L"
    return "".join(path)


def bump(rows: list[Row]) -> Markup:
    """Places step by step: `step` (text, in order), `region_code`, `region_name`, `place` or None.

    The five first of the last step are drawn in colours, all others grey.
    """
    steps = sorted({row["step"] for row in rows})
    by_region: dict[str, list[Row]] = {}
    for row in rows:
        by_region.setdefault(row["region_code"], []).append(row)
    last = {row["region_code"]: row["place"] for row in rows if row["step"] == steps[-1]}
    first = sorted((code for code in last if last[code]), key=lambda code: (last[code], code))
    looks = {code: str(at) for at, code in enumerate(first[:TOP])}
    values = []
    for code, some in by_region.items():
        places: list[Any] = [None, *(row["place"] for row in some), None]
        for at, row in enumerate(some, 1):
            is_alone = places[at] is not None and places[at - 1] is places[at + 1] is None
            is_last = row["step"] == steps[-1] and places[at] is not None
            values.append({
                "c": code, "step": row["step"], "place": row["place"],
                "look": looks.get(code, "-"), "dot": is_alone or is_last,
                "label": f"{row['place']}  {row['region_name']}" if is_last else "",
            })  # fmt: skip
    most = max((row["place"] or 1 for row in rows), default=1)
    # vl-convert measures with its own font: a browser's may be a fifth wider, bold another tenth.
    longest = max(len(row["region_name"]) for row in rows)
    pad = {"left": 5, "top": 5, "bottom": 20, "right": 5 + round(2.3 * longest)}
    size = {"width": WIDTH, "height": max(3, most) * ROW, "padding": pad}
    return _drawn(_bump() | size | {"data": {"values": values}})


@cache
def _bump() -> dict[str, Any]:
    """The chart without its data: made once, because Altair's checks of it take 0.3 s."""
    import altair as alt

    looks = ["-", *(str(at) for at in range(TOP))]
    dashes = alt.Scale(domain=looks, range=[[1, 0], *DASHES])
    colours = alt.Scale(domain=looks, range=[GREY, *COLOURS])
    inks = alt.Scale(domain=looks, range=[LABEL, *COLOURS])
    dates = alt.Axis(title=None, labelAngle=-90, grid=False, labelColor=LABEL, domain=False,
                    ticks=False, labelFontSize=11)  # fmt: skip
    scale = alt.Scale(reverse=True, nice=False, zero=False, padding=ROW / 2)
    base = alt.Chart().encode(
        x=alt.X("step:O", axis=dates, scale=alt.Scale(padding=0.3)),
        y=alt.Y("place:Q", scale=scale, axis=None),
        description="c:N",
    )
    colour = alt.Color("look:N", scale=colours, legend=None)
    grey, bright = "datum.look === '-'", "datum.look !== '-'"

    def lines(which: str, width: float) -> Any:
        dash = alt.StrokeDash("look:N", scale=dashes, legend=None)
        mark: dict[str, Any] = {
            "strokeWidth": width,
            "invalid": "break-paths-show-domains",
            "strokeCap": "butt",  # round ones fill the gaps of dashes
        }
        return (
            base.transform_filter(which).mark_line(**mark)
            .encode(detail="c:N", color=colour, strokeDash=dash)
        )  # fmt: skip

    dots = base.transform_filter("datum.dot").mark_circle(size=30, opacity=1).encode(color=colour)
    text = (
        base.transform_filter("datum.label !== ''")
        .mark_text(align="left", dx=9, fontSize=13)
        .encode(text="label:N", color=alt.Color("look:N", scale=inks, legend=None))
    )
    layers = alt.layer(
        lines(grey, 1.5), lines(bright, 3), dots, text, data=alt.InlineData(values=[])
    )
    return _plain(layers.resolve_scale(color="independent"))


def tiles(grid: list[dict[str, str]], marks: dict[str, Mark]) -> Map | None:
    """The built-in map: a tile for each region that has a place in seeds/tile_grid.csv."""
    values: list[Row] = [
        {"c": one["region_code"], "x": int(one["column"]), "y": int(one["row"]),
         "value": mark.value, **dict(zip(("name", "more"), _lines(mark.name), strict=True))}
        for one in grid if (mark := marks.get(one["region_code"]))
    ]  # fmt: skip
    if not values:
        return None
    import altair as alt

    wide, high = (1 + max(one[name] for one in values) for name in ("x", "y"))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.5, wide - 0.5], nice=False)),
        y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[high - 0.5, -0.5], nice=False)),
        description="c:N",
    )

    def name(line: str, dy: int, which: str) -> Any:
        text = base.transform_filter(which).mark_text(dy=dy, fontSize=10.5)
        return text.encode(text=f"{line}:N")

    box = base.mark_rect(width=TILE[0] - 4, height=TILE[1] - 4, cornerRadius=3)
    names = [name("name", -9, "!datum.more"), name("name", -17, "datum.more")]
    names.append(name("more", -5, "datum.more"))
    value = base.mark_text(dy=13, fontSize=13, fontWeight="bold").encode(text="value:N")
    chart = alt.layer(box, *names, value)
    size = {"width": wide * TILE[0], "height": high * TILE[1]}
    return Map(_drawn(_plain(chart.properties(**size)), marks), is_tiles=True)


def _lines(name: str) -> tuple[str, str]:
    """A name as one line of a tile or, when it is long, as two of about the same length."""
    cuts = [at for at, letter in enumerate(name) if letter == " "]
    if len(name) <= NAME_FITS or not cuts:
        return name, ""
    cut = min(cuts, key=lambda at: abs(len(name) - 2 * at))
    return name[:cut], name[cut + 1 :]


def boundaries(file: Path, marks: dict[str, Mark]) -> Map | None:
    """The map of a GeoJSON or TopoJSON; its shapes have a region's code as `id` or `region_code`.

    Planar, so that rings may run either way. Raises Problem `bad_boundaries`.
    """
    try:
        read = json.loads(file.read_text("utf-8"))
        found = _unpacked(read) if read.get("type") == "Topology" else read["features"]
        shapes = {str(one.get("id") or one["properties"]["region_code"]): one for one in found}
        known = {code: one["geometry"] for code, one in shapes.items() if code in marks}
        boxes = {code: _box(shape["coordinates"]) for code, shape in known.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Problem("bad_boundaries", file=file, error=repr(error)) from error
    if not known:
        return None
    import altair as alt

    features = [{"type": "Feature", "geometry": g, "c": code} for code, g in known.items()]
    names, values, numbered = _labels(boxes, marks)
    shape = alt.Chart(alt.InlineData(values=features)).mark_geoshape().encode(description="c:N")

    def text(points: list[Row], **how: Any) -> Any:
        chart = alt.Chart(alt.InlineData(values=points)).mark_text(**how)
        return chart.encode(longitude="x:Q", latitude="y:Q", text="text:N", description="c:N")

    upper, lower = (
        text(names, fontSize=11, dy=-8),
        text(values, fontSize=12, fontWeight="bold", dy=7),
    )
    chart = alt.layer(shape, upper, lower).project(type="identity", reflectY=True)
    size = {"width": BOUNDS[0], "height": BOUNDS[1]}
    return Map(_drawn(_plain(chart.properties(**size)), marks), is_tiles=False, numbered=numbered)


def _labels(
    boxes: dict[str, tuple[float, float, float, float]], marks: dict[str, Mark]
) -> tuple[list[Row], list[Row], dict[str, int]]:
    """Names and values that find room in their shapes' boxes; the other regions get numbers."""
    lefts, rights, lows, highs = zip(*boxes.values(), strict=True)
    wide, tall = max(rights) - min(lefts), max(highs) - min(lows)
    scale = min(BOUNDS[0] / (wide or 1), BOUNDS[1] / (tall or 1))
    names, values = [], []
    numbered: dict[str, int] = {}
    for code, (left, right, low, high) in sorted(boxes.items()):
        mark, at = marks[code], {"c": code, "x": (left + right) / 2, "y": (low + high) / 2}
        letters = max(len(mark.name), len(mark.value))
        if letters * LETTER > (right - left) * scale or (high - low) * scale < 2.5 * ROW:
            numbered[code] = len(numbered) + 1
            names.append({**at, "text": str(numbered[code])})
        else:
            names.append({**at, "text": mark.name})
            values.append({**at, "text": mark.value})
    return names, values, numbered


def _unpacked(topology: Any) -> list[dict[str, Any]]:
    """The polygons of a TopoJSON as GeoJSON features: arcs turned and joined into rings."""
    packing = topology.get("transform", {"scale": [1, 1], "translate": [0, 0]})
    (sx, sy), (tx, ty) = packing["scale"], packing["translate"]
    arcs = []
    for arc in topology["arcs"]:
        if "transform" in topology:  # each point is a step from the one before
            arc = list(accumulate(arc, lambda one, step: [one[0] + step[0], one[1] + step[1]]))
        arcs.append([[x * sx + tx, y * sy + ty] for x, y in arc])

    def ring(numbers: list[int]) -> list[list[float]]:
        parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
        return parts[0][:1] + [point for part in parts for point in part[1:]]

    def geometry(one: Any) -> dict[str, Any]:
        if one["type"] == "Polygon":
            return {"type": "Polygon", "coordinates": [ring(part) for part in one["arcs"]]}
        shapes = [[ring(part) for part in shape] for shape in one["arcs"]]
        return {"type": "MultiPolygon", "coordinates": shapes}

    return [
        {**one, "geometry": geometry(one)}
        for group in topology["objects"].values()
        for one in group["geometries"]
        if one["type"] in ("Polygon", "MultiPolygon")
    ]


def _box(coordinates: Any) -> tuple[float, float, float, float]:
    """The least and greatest x, and the least and greatest y of a shape."""
    if isinstance(coordinates[0], int | float):
        raise TypeError("no polygon")
    points = list(_points(coordinates))
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), max(xs), min(ys), max(ys)


def _points(part: Any) -> Iterable[tuple[float, float]]:
    if isinstance(part[0], int | float):
        yield float(part[0]), float(part[1])
    else:
        for inner in part:
            yield from _points(inner)


def _plain(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.configure_view(stroke=None).to_dict()
    return spec | {"background": None}


def _is_empty(one: Any) -> bool:
    """A line of a region that has no places at these steps."""
    return bool(one.tag.endswith("}path")) and not one.get("d")


def _unwrapped(one: Any) -> Any:
    """What a group holds that does nothing but hold it."""
    while one.tag.endswith("}g") and len(one) == 1 and one.attrib.items() <= NOTHING.items():
        (one,) = one
    return one


def _drawn(spec: dict[str, Any], marks: dict[str, Mark] | None = None) -> Markup:
    """SVG without the noise of Vega's accessibility tree: the figure around it has a caption."""
    import vl_convert

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))  # noqa: S314  our own drawing
    for parent in root.iter():
        for at, child in reversed(list(enumerate(parent))):
            if child.get("class") in ("background", "foreground") or _is_empty(child):
                parent.remove(child)
            else:
                parent[at] = _unwrapped(child)
    for one in root.iter():
        for name in [n for n, v in one.items() if n in NOISE or DEFAULTS.get(n) == v]:
            del one.attrib[name]
        code = one.attrib.pop("aria-label", None)
        if code and not one.tag.endswith("}g"):  # of a group it describes an axis
            one.set("data-r", code)
        if re.fullmatch(r"\d{4}-\d\d", one.text or ""):
            step = month(one.text or "")
            one.text = step.id
            if step.en != step.id:
                one.set("data-e", step.en)
        kind = one.attrib.pop("class", "").partition(" ")[0]
        if kind in ("mark-text", "mark-line", "mark-rect", "mark-shape"):
            one.set("class", kind)
        if marks and code:
            mark = marks[code]
            is_text = one.tag.endswith("text")
            one.set("class", f"t{mark.colour}" if is_text else
                    mark.colour + " out" * (not mark.is_ranked))  # fmt: skip
            fits = VALUE_FITS if one.get("font-weight") == "bold" else NAME_FITS
            if is_text and len(one.text or "") > fits:  # wider than its tile; so in script.js
                one.attrib |= {"textLength": f"{SQUEEZED}", "lengthAdjust": "spacingAndGlyphs"}
        for name in ("d", "transform"):
            if name in one.attrib:
                one.set(
                    name, re.sub(r"\d+\.\d+", lambda n: f"{float(n[0]):.1f}", one.get(name, ""))
                )
    ElementTree.register_namespace("", SVG)
    return Markup(ElementTree.tostring(root, "unicode"))  # noqa: S704  its text is escaped
