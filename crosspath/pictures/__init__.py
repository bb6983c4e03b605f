"""Arrays to pictures: masks over images, coloured clouds, boxes, scatters, tables of counts.

Knows no model and no data. Drawn with Pillow: the pixels follow from the arguments, and no matplotlib is imported.
"""
