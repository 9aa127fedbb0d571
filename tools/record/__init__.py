"""Makes the recordings: plays scenes with radios in a booted kernel while meshwatchd records."""
