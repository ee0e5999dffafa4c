"""Nothing here is a test: the files need cosmic-ray, which the extra `mutation` installs."""

collect_ignore_glob = ["*.py"]
