"""What a terminal shows: tables, the curve, progress; and what becomes of a reader that went away."""
