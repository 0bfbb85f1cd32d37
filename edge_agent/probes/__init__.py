"""What a node measures of itself: a small file for each kind of hardware."""
