"""What both engines note down while they play, and the clock of the reference, which follows causes."""
