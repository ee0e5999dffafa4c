"""Calibration: constants of devices and links from what was measured."""
