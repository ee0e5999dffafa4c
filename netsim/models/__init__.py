"""Models: functions that return a Model, a list of layers. A function's parameters are the model's options."""
