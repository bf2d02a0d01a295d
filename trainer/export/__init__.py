"""Models that leave: what a trained network becomes for those who do not have this package."""
