"""Many runs at once: sweeps of a config's settings, and how sure one can be of what they differ in."""
