"""A Flower app that costs nothing but its link: nodes send the model back, slightly moved."""
