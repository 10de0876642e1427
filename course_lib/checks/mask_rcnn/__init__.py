"""Checks of the exercises of the lab `mask-rcnn`."""
