"""The commands: one file a command, which parses, calls and prints. No arithmetic of the model is done here."""
