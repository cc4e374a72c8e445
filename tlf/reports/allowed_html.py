"""What HTML of others may hold: elements, attributes and properties of styles, all in small
letters. A browser gives those of SVG their capitals back.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID = frozenset(["br", "col", "hr", "img", "wbr"])
"""Elements that have no end."""

ELEMENTS = VOID | _words(
    """
    h3 h4 h5 h6 p div span ul ol li dl dt dd blockquote pre figure figcaption details summary
    table caption colgroup thead tbody tfoot tr th td a abbr b bdi bdo cite code dfn em i kbd mark q
    s samp small strong sub sup time u var
    svg g path rect circle ellipse line polyline polygon text tspan title desc defs use symbol
    clippath mask pattern marker lineargradient radialgradient stop
    """
)
"""No ``h1`` and ``h2``, which are the page's and the panel's own titles; nothing that loads, runs,
or is filled in.
"""

REFERENCES = frozenset(
    ["aria-controls", "aria-describedby", "aria-details", "aria-labelledby", "aria-owns", "headers"]
)
"""Attributes that hold ids."""

ATTRIBUTES = _words(
    """
    id class title lang dir role style tabindex
    alt src width height href colspan rowspan scope headers span start reversed type value open
    datetime
    xmlns xmlns:xlink xlink:href version viewbox preserveaspectratio focusable
    d x y x1 y1 x2 y2 cx cy r rx ry fx fy dx dy points transform rotate pathlength
    textlength lengthadjust offset orient refx refy markerwidth markerheight markerunits
    clippathunits maskunits patternunits patterncontentunits patterntransform gradientunits
    gradienttransform spreadmethod
    color opacity display visibility overflow fill fill-opacity fill-rule stroke stroke-width
    stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray stroke-dashoffset
    stroke-miterlimit stop-color stop-opacity clip-path clip-rule mask marker-start marker-mid
    marker-end paint-order vector-effect shape-rendering text-rendering text-anchor
    dominant-baseline alignment-baseline baseline-shift font-family font-size font-style
    font-weight letter-spacing word-spacing text-decoration writing-mode
    """
)
"""Beside ``aria-…``. No handlers of events, and no ``data-…``, which the page's scripts read."""

PROPERTIES = _words(
    """
    color background-color opacity fill stroke stop-color stop-opacity clip-path mask paint-order
    display visibility width height min-width max-width min-height max-height aspect-ratio
    margin margin-top margin-right margin-bottom margin-left
    padding padding-top padding-right padding-bottom padding-left
    border border-top border-right border-bottom border-left border-color border-width border-style
    border-radius border-collapse border-spacing
    font line-height letter-spacing text-align text-anchor text-decoration text-transform
    white-space vertical-align dominant-baseline overflow overflow-x overflow-y overflow-wrap
    list-style-type gap row-gap column-gap flex flex-wrap flex-direction justify-content align-items
    grid-template-columns grid-column transform transform-origin
    """
)
"""Beside ``fill-…``, ``stroke-…`` and ``font-…``. Nothing that covers other parts of a page."""
